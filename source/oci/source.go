package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/gitopskit/gitopskit/internal/treecache"
	"github.com/gitopskit/gitopskit/internal/versions"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/archive"
)

// Source is an artifact in a registry. It is safe for concurrent use.
type Source struct {
	opts Options
	repo name.Repository

	mu       sync.Mutex
	verified map[string]string // digests that the Verifier accepted, and who signed
}

var _ source.Source = (*Source)(nil)

const (
	defaultTag      = "latest"
	defaultMaxLayer = 1 << 30
	defaultFileName = "layer.tar.gz"
)

// New checks the options and returns the source. It makes no request.
func New(opts Options) (*Source, error) {
	s, err := newSource(opts)
	if err != nil {
		return nil, &source.Error{Op: "open OCI source", Ref: opts.URL, Err: err}
	}
	return s, nil
}

func newSource(opts Options) (*Source, error) {
	switch {
	case opts.URL == "":
		return nil, invalidf("set Options.URL")
	case !strings.HasPrefix(opts.URL, "oci://"):
		return nil, invalidf("the URL must begin with oci://")
	case opts.Client == nil:
		return nil, invalidf("set Options.Client to the result of NewClient")
	case opts.Cache == nil:
		return nil, invalidf("set Options.Cache to the result of OpenCache")
	}
	repo, err := opts.Client.repository(opts.URL)
	if err != nil {
		return nil, err
	}
	r := opts.Reference
	if r.Digest != "" {
		if _, err := v1.NewHash(r.Digest); err != nil || !strings.HasPrefix(r.Digest, "sha256:") {
			return nil, invalidf("Reference.Digest %q is not sha256: and 64 hex digits", r.Digest)
		}
	}
	if r.SemVer != "" {
		if err := (versions.Query{Range: r.SemVer, Filter: r.SemVerFilter}).Check(); err != nil {
			return nil, invalidf("Reference.SemVer and SemVerFilter: %v", err)
		}
	}
	if opts.MaxLayerBytes == 0 {
		opts.MaxLayerBytes = defaultMaxLayer
	}
	if opts.Layer.FileName == "" {
		opts.Layer.FileName = defaultFileName
	}
	if err := archive.CheckPath(opts.Layer.FileName); err != nil || strings.Contains(opts.Layer.FileName, "/") {
		return nil, invalidf("Layer.FileName %q is no file name", opts.Layer.FileName)
	}
	switch opts.Layer.Operation {
	case "":
		opts.Layer.Operation = Extract
	case Extract, Copy:
	default:
		return nil, invalidf("Layer.Operation %q: use %q or %q", opts.Layer.Operation, Extract, Copy)
	}
	return &Source{opts: opts, repo: repo}, nil
}

// Resolve implements source.Source: it asks for the digest of a tag, or for all
// tags and then that, or for nothing if a digest is wanted.
func (s *Source) Resolve(ctx context.Context) (source.Revision, error) {
	r := s.opts.Reference
	if r.Digest != "" {
		return source.Revision(r.Digest), nil
	}
	ctx, cancel := s.opts.Client.timeout(ctx)
	defer cancel()
	tag := r.Tag
	if tag == "" {
		tag = defaultTag
	}
	if r.SemVer != "" {
		var err error
		if tag, err = s.highest(ctx); err != nil {
			return "", s.fail("resolve", "", err)
		}
	}
	digest, err := s.opts.Client.digest(ctx, s.repo.Tag(tag))
	if err != nil {
		return "", s.fail("resolve", source.Revision(tag), err)
	}
	return source.Revision(tag + "@" + digest), nil
}

func (s *Source) fail(op string, revision source.Revision, err error) error {
	ref := s.opts.URL
	if revision != "" {
		ref += " at " + string(revision)
	}
	return s.opts.Client.fail(op, ref, err)
}

// digest asks for the digest of a tag, with HEAD and then, as some registries
// do not know that, with GET.
func (c *Client) digest(ctx context.Context, ref name.Reference) (string, error) {
	opts, err := c.remote(ctx, ref.Context())
	if err != nil {
		return "", err
	}
	head, err := remote.Head(ref, opts...)
	if err == nil {
		return head.Digest.String(), nil
	}
	var te *transport.Error
	if ctx.Err() != nil || errors.As(err, &te) && te.StatusCode == http.StatusUnauthorized {
		return "", err
	}
	got, err := remote.Get(ref, opts...)
	if err != nil {
		return "", err
	}
	return got.Digest.String(), nil
}

func (s *Source) highest(ctx context.Context) (string, error) {
	tags, err := s.opts.Client.tags(ctx, s.repo)
	if err != nil {
		return "", err
	}
	q := versions.Query{Range: s.opts.Reference.SemVer, Filter: s.opts.Reference.SemVerFilter}
	best, all, err := q.Best(tags)
	if err != nil {
		return "", err
	}
	if len(best) == 0 {
		sort.Strings(all)
		return "", fmt.Errorf("%w: none of %d tags that are versions is in the range %q; the last of them are %q",
			source.ErrNotFound, len(all), q.Range, all[max(0, len(all)-5):])
	}
	sort.Strings(best)
	return best[len(best)-1], nil
}

func (c *Client) tags(ctx context.Context, repo name.Repository) ([]string, error) {
	opts, err := c.remote(ctx, repo)
	if err != nil {
		return nil, err
	}
	return remote.List(repo, opts...)
}

// key names what is made of a digest in the cache. It holds the repository, as
// a digest alone must not open what another repository guards.
func (s *Source) key(digest string) string {
	l := s.opts.Layer
	return fmt.Sprintf("%s@%s %s %s %q %q", s.repo.Name(), digest, l.Operation, l.FileName, l.MediaType, s.opts.Client.opts.fingerprint())
}

// Fetch implements source.Source. A digest that is in the cache costs no
// request; the Verifier is asked about each digest until it accepts it.
func (s *Source) Fetch(ctx context.Context, revision source.Revision) (*source.Artifact, error) {
	ctx, cancel := s.opts.Client.timeout(ctx)
	defer cancel()
	a, err := s.fetch(ctx, revision)
	if err != nil {
		return nil, s.fail("fetch", revision, err)
	}
	return a, nil
}

func (s *Source) fetch(ctx context.Context, revision source.Revision) (*source.Artifact, error) {
	digest := revision.Digest()
	if !strings.HasPrefix(digest, "sha256:") {
		return nil, invalidf("%q is no revision of an OCI artifact", revision)
	}
	signer, err := s.verify(ctx, digest)
	if err != nil {
		return nil, err
	}
	tree, ok := s.opts.Cache.trees.Get(s.key(digest))
	if !ok {
		if tree, err = s.download(ctx, digest); err != nil {
			return nil, err
		}
	}
	a, err := assemble(revision, tree, s.opts.Ignore, func() { _ = s.opts.Cache.trees.Remove(s.key(digest)) })
	if err != nil || signer == "" {
		return a, err
	}
	metadata := a.Metadata()
	metadata[MetadataSigner] = signer
	return a.WithMetadata(metadata), nil
}

// verify asks the Verifier, unless it accepted the digest before: what a digest
// names does not change. A refusal is asked about again.
func (s *Source) verify(ctx context.Context, digest string) (signer string, err error) {
	if s.opts.Verifier == nil {
		return "", nil
	}
	s.mu.Lock()
	signer, known := s.verified[digest]
	s.mu.Unlock()
	if known {
		return signer, nil
	}
	if signer, err = s.opts.Verifier.Verify(ctx, s.opts.Client, s.repo.Name(), digest); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.verified == nil || len(s.verified) >= maxVerified {
		s.verified = map[string]string{}
	}
	s.verified[digest] = signer
	return signer, nil
}

// maxVerified is how many digests are remembered as verified.
const maxVerified = 1000

// download brings the layer and keeps what is made of it.
func (s *Source) download(ctx context.Context, digest string) (*treecache.Tree, error) {
	opts, err := s.opts.Client.remote(ctx, s.repo)
	if err != nil {
		return nil, err
	}
	img, err := remote.Image(s.repo.Digest(digest), opts...)
	if err != nil {
		return nil, err
	}
	m, err := img.Manifest()
	if err != nil {
		return nil, err
	}
	desc, err := selectLayer(m, s.opts.Layer.MediaType)
	if err != nil {
		return nil, err
	}
	if desc.Size > s.opts.MaxLayerBytes {
		return nil, fmt.Errorf("%w: the layer has %d bytes; Options.MaxLayerBytes allows %d", source.ErrTooLarge, desc.Size, s.opts.MaxLayerBytes)
	}
	layer, err := img.LayerByDigest(desc.Digest)
	if err != nil {
		return nil, err
	}
	return s.opts.Cache.trees.Put(s.key(digest), m.Annotations, func(dir string) (map[string]string, error) {
		r, err := layer.Compressed()
		if err != nil {
			return nil, err
		}
		ahead := readAhead(&wholeReader{r: r, left: desc.Size})
		defer func() {
			_ = r.Close() // ends a read that waits
			_ = ahead.Close()
		}()
		return s.unpack(ctx, ahead, dir, desc.Digest.String())
	})
}

// unpack reads the layer to its end, so that its digest is checked, and returns
// the digests of the files.
func (s *Source) unpack(ctx context.Context, r io.Reader, dir, digest string) (map[string]string, error) {
	if s.opts.Layer.Operation == Copy {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return nil, err
		}
		f, err := os.OpenFile(filepath.Join(dir, s.opts.Layer.FileName), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644) //nolint:gosec // readable
		if err != nil {
			return nil, err
		}
		_, err = io.CopyBuffer(struct{ io.Writer }{f}, r, make([]byte, aheadChunk))
		return map[string]string{s.opts.Layer.FileName: digest}, errors.Join(err, f.Close())
	}
	stats, err := archive.Extract(ctx, r, dir, archive.ExtractOptions{Limits: s.opts.Limits, Digests: true})
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(io.Discard, r)
	return stats.Digests, err
}

// wholeReader fails if the layer does not have the announced size.
type wholeReader struct {
	r    io.Reader
	left int64
}

func (w *wholeReader) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	w.left -= int64(n)
	if w.left < 0 || errors.Is(err, io.EOF) && w.left != 0 {
		return 0, fmt.Errorf("%w: the layer does not have the size that its manifest says", source.ErrCorrupt)
	}
	return n, err
}

func selectLayer(m *v1.Manifest, mediaType string) (v1.Descriptor, error) {
	var have []string
	for _, l := range m.Layers {
		if mediaType == "" || string(l.MediaType) == mediaType {
			return l, nil
		}
		have = append(have, string(l.MediaType))
	}
	if mediaType == "" {
		return v1.Descriptor{}, fmt.Errorf("%w: the artifact has no layer", source.ErrNotFound)
	}
	return v1.Descriptor{}, fmt.Errorf("%w: no layer has the media type %q; there are %q", source.ErrNotFound, mediaType, have)
}
