package oci

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"compress/gzip"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/gitopskit/gitopskit/source"
)

// Media types and annotations of Flux's artifacts (flux push artifact).
const (
	// MediaTypeConfig is that of the manifest's config.
	MediaTypeConfig = "application/vnd.cncf.flux.config.v1+json"
	// MediaTypeContent is that of the layer.
	MediaTypeContent = "application/vnd.cncf.flux.content.v1.tar+gzip"
	// AnnotationCreated is when the artifact was made, in RFC 3339.
	AnnotationCreated = "org.opencontainers.image.created"
	// AnnotationSource is where its content comes from.
	AnnotationSource = "org.opencontainers.image.source"
	// AnnotationRevision is the revision of that.
	AnnotationRevision = "org.opencontainers.image.revision"
)

// PushOptions configures Push.
type PushOptions struct {
	// Source is the URL that the content comes from.
	Source string
	// Revision is that of the content. Empty means the artifact's.
	Revision string
	// Created is the time of the artifact. Zero means 1970-01-01, with which
	// the same files give the same digest.
	Created time.Time
	// Annotations are added to the manifest.
	Annotations map[string]string
}

// Push pushes an artifact to ref, such as "oci://ghcr.io/org/app:v1", and
// returns its digest.
func (c *Client) Push(ctx context.Context, ref string, a *source.Artifact, opts PushOptions) (digest string, err error) {
	ctx, cancel := c.timeout(ctx)
	defer cancel()
	digest, err = c.push(ctx, ref, a, opts)
	return digest, c.fail("push", ref, err)
}

func (c *Client) push(ctx context.Context, ref string, a *source.Artifact, opts PushOptions) (string, error) {
	target, err := c.reference(ref)
	if err != nil {
		return "", err
	}
	if a == nil {
		return "", invalidf("no artifact")
	}
	dir, err := os.MkdirTemp("", "gitopskit-push-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	layer, err := writeLayer(ctx, filepath.Join(dir, "layer"), a)
	if err != nil {
		return "", err
	}
	img, err := manifestOf(layer, a, opts)
	if err != nil {
		return "", err
	}
	options, err := c.remote(ctx, target.Context())
	if err != nil {
		return "", err
	}
	if err := remote.Write(target, img, options...); err != nil {
		return "", err
	}
	h, err := img.Digest()
	return h.String(), err
}

func manifestOf(layer v1.Layer, a *source.Artifact, opts PushOptions) (v1.Image, error) {
	created := opts.Created.UTC()
	if opts.Created.IsZero() {
		created = time.Unix(0, 0).UTC()
	}
	revision := opts.Revision
	if revision == "" {
		revision = string(a.Revision())
	}
	annotations := maps.Clone(opts.Annotations)
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[AnnotationCreated] = created.Format(time.RFC3339)
	annotations[AnnotationRevision] = revision
	if opts.Source != "" {
		annotations[AnnotationSource] = opts.Source
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), MediaTypeConfig)
	img = mutate.Annotations(img, annotations).(v1.Image)
	img, err := mutate.Append(img, mutate.Addendum{Layer: layer})
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	return img, nil
}

// fileLayer is a layer in a file.
type fileLayer struct {
	file         string
	digest, diff v1.Hash
	size         int64
}

var _ v1.Layer = (*fileLayer)(nil)

func (l *fileLayer) Digest() (v1.Hash, error)           { return l.digest, nil }
func (l *fileLayer) DiffID() (v1.Hash, error)           { return l.diff, nil }
func (l *fileLayer) Size() (int64, error)               { return l.size, nil }
func (*fileLayer) MediaType() (types.MediaType, error)  { return MediaTypeContent, nil }
func (l *fileLayer) Compressed() (io.ReadCloser, error) { return os.Open(l.file) }
func (l *fileLayer) Uncompressed() (io.ReadCloser, error) {
	f, err := os.Open(l.file)
	if err != nil {
		return nil, err
	}
	return gzip.NewReader(f)
}

// writeLayer writes the artifact's archive to a file.
func writeLayer(ctx context.Context, file string, a *source.Artifact) (*fileLayer, error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) //nolint:gosec // a fresh folder's
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := a.WriteArchive(ctx, f)
	if err != nil {
		return nil, err
	}
	l := &fileLayer{file: file, size: info.Size}
	if l.digest, err = v1.NewHash(info.Digest); err != nil {
		return nil, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	l.diff, err = diffID(f)
	return l, err
}

func diffID(r io.Reader) (v1.Hash, error) {
	gz, err := gzip.NewReader(r)
	if err != nil {
		return v1.Hash{}, err
	}
	h := sha256.New()
	if _, err := io.Copy(h, gz); err != nil { //nolint:gosec // our own archive
		return v1.Hash{}, err
	}
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}, nil
}

// Tag adds tags to what ref names.
func (c *Client) Tag(ctx context.Context, ref string, tags ...string) error {
	ctx, cancel := c.timeout(ctx)
	defer cancel()
	return c.fail("tag", ref, c.tag(ctx, ref, tags))
}

func (c *Client) tag(ctx context.Context, ref string, tags []string) error {
	target, err := c.reference(ref)
	if err != nil {
		return err
	}
	options, err := c.remote(ctx, target.Context())
	if err != nil {
		return err
	}
	desc, err := remote.Get(target, options...)
	if err != nil {
		return err
	}
	for _, t := range tags {
		to, err := c.reference(target.Context().Name() + ":" + t)
		if err != nil {
			return err
		}
		if err := remote.Tag(to.Context().Tag(t), desc, options...); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
	}
	return nil
}

// Tags lists the tags of a repository, sorted.
func (c *Client) Tags(ctx context.Context, repository string) ([]string, error) {
	ctx, cancel := c.timeout(ctx)
	defer cancel()
	repo, err := c.repository(repository)
	if err != nil {
		return nil, c.fail("list", repository, err)
	}
	tags, err := c.tags(ctx, repo)
	if err != nil {
		return nil, c.fail("list", repository, err)
	}
	slices.Sort(tags)
	return tags, nil
}

// Digest returns the digest that a tag names now.
func (c *Client) Digest(ctx context.Context, ref string) (string, error) {
	ctx, cancel := c.timeout(ctx)
	defer cancel()
	target, err := c.reference(ref)
	if err != nil {
		return "", c.fail("resolve", ref, err)
	}
	digest, err := c.digest(ctx, target)
	return digest, c.fail("resolve", ref, err)
}
