package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/gitopskit/gitopskit/internal/httpclient"
	"github.com/gitopskit/gitopskit/source"
)

// Descriptor names a manifest or a blob.
type Descriptor struct {
	// MediaType is that of the content.
	MediaType string `json:"mediaType"`
	// ArtifactType is what a manifest is for; often empty.
	ArtifactType string `json:"artifactType,omitempty"`
	// Digest is "sha256:" and 64 hex digits.
	Digest string `json:"digest"`
	// Size is the length in bytes.
	Size int64 `json:"size"`
	// Annotations are what the one who pushed it noted.
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Manifest is a manifest as it is in the registry. What is attached to an
// artifact, such as a signature, is read with it.
type Manifest struct {
	// Descriptor names the manifest itself.
	Descriptor
	// Config is the manifest's configuration.
	Config Descriptor
	// Layers are the blobs that it names, in its order.
	Layers []Descriptor
}

// Manifest reads the manifest that ref, a tag or a digest such as
// "oci://ghcr.io/org/app:v1", names. Its digest is checked.
func (c *Client) Manifest(ctx context.Context, ref string) (Manifest, error) {
	ctx, cancel := c.timeout(ctx)
	defer cancel()
	m, err := c.manifest(ctx, ref)
	return m, c.fail("read manifest", ref, err)
}

func (c *Client) manifest(ctx context.Context, ref string) (Manifest, error) {
	target, err := c.reference(ref)
	if err != nil {
		return Manifest{}, err
	}
	options, err := c.remote(ctx, target.Context())
	if err != nil {
		return Manifest{}, err
	}
	got, err := remote.Get(target, options...)
	if err != nil {
		return Manifest{}, err
	}
	var content struct {
		ArtifactType string            `json:"artifactType"`
		Config       Descriptor        `json:"config"`
		Layers       []Descriptor      `json:"layers"`
		Annotations  map[string]string `json:"annotations"`
	}
	if err := json.Unmarshal(got.Manifest, &content); err != nil {
		return Manifest{}, fmt.Errorf("%w: the manifest is no JSON", source.ErrCorrupt)
	}
	return Manifest{
		Descriptor: Descriptor{
			MediaType: string(got.MediaType), ArtifactType: content.ArtifactType, Digest: got.Digest.String(), Size: got.Size,
			Annotations: content.Annotations,
		},
		Config: content.Config, Layers: content.Layers,
	}, nil
}

// Blob reads a blob of at most limit bytes into memory and checks its digest. A
// larger one gives source.ErrTooLarge.
func (c *Client) Blob(ctx context.Context, repository, digest string, limit int64) ([]byte, error) {
	ctx, cancel := c.timeout(ctx)
	defer cancel()
	data, err := c.blob(ctx, repository, digest, limit)
	return data, c.fail("read blob", repository+"@"+digest, err)
}

func (c *Client) blob(ctx context.Context, repository, digest string, limit int64) ([]byte, error) {
	target, options, err := c.digestIn(ctx, repository, digest)
	if err != nil {
		return nil, err
	}
	layer, err := remote.Layer(target, options...)
	if err != nil {
		return nil, err
	}
	r, err := layer.Compressed()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(httpclient.Limit(r, limit))
	if errors.Is(err, httpclient.ErrTooLarge) {
		return nil, fmt.Errorf("%w: the blob has more than %d bytes", source.ErrTooLarge, limit)
	}
	return data, err
}

func (c *Client) digestIn(ctx context.Context, repository, digest string) (name.Digest, []remote.Option, error) {
	repo, err := c.repository(repository)
	if err != nil {
		return name.Digest{}, nil, err
	}
	target, err := name.NewDigest(repo.Name()+"@"+digest, c.nameOptions(repo.RegistryStr())...)
	if err != nil {
		return name.Digest{}, nil, invalidf("%q is no digest", digest)
	}
	options, err := c.remote(ctx, repo)
	return target, options, err
}

// Referrers lists what is attached to a manifest by OCI 1.1's subject, or by the
// tag that stands for the list where a registry does not know that; none gives
// an empty list.
func (c *Client) Referrers(ctx context.Context, repository, digest string) ([]Descriptor, error) {
	ctx, cancel := c.timeout(ctx)
	defer cancel()
	all, err := c.referrers(ctx, repository, digest)
	return all, c.fail("list referrers", repository+"@"+digest, err)
}

func (c *Client) referrers(ctx context.Context, repository, digest string) ([]Descriptor, error) {
	target, options, err := c.digestIn(ctx, repository, digest)
	if err != nil {
		return nil, err
	}
	index, err := remote.Referrers(target, options...)
	if err != nil {
		return nil, err
	}
	m, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	out := make([]Descriptor, 0, len(m.Manifests))
	for _, d := range m.Manifests {
		out = append(out, Descriptor{
			MediaType: string(d.MediaType), ArtifactType: d.ArtifactType, Digest: d.Digest.String(), Size: d.Size, Annotations: d.Annotations,
		})
	}
	return out, nil
}
