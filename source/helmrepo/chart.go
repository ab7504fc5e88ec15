package helmrepo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/gitopskit/gitopskit/internal/httpclient"
	"github.com/gitopskit/gitopskit/internal/treecache"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/archive"
)

// ChartOptions says which chart of a repository is wanted.
type ChartOptions struct {
	// Name is the chart's. Required.
	Name string
	// Version is a version as the index writes it, or a range; empty means
	// the newest that is no pre-release.
	Version string
	// Provenance makes Fetch fail unless the chart's .prov file is signed by
	// one of these armored PGP keys. Empty checks nothing.
	Provenance []byte
}

// Chart is a chart of a repository. It is safe for concurrent use. The files of
// its artifacts are the chart's, Chart.yaml at the root.
type Chart struct {
	repo *Repository
	opts ChartOptions
}

var _ source.Source = (*Chart)(nil)

// MetadataSigner is the key of an artifact's metadata that tells who signed.
const MetadataSigner = "gitopskit.github.io/signer"

// Chart returns a chart of the repository. It makes no request.
func (r *Repository) Chart(opts ChartOptions) (*Chart, error) {
	if opts.Name == "" || strings.ContainsAny(opts.Name, "/\\") {
		return nil, &source.Error{Op: "open chart", Ref: opts.Name, Err: invalidf("ChartOptions.Name %q is no name of a chart", opts.Name)}
	}
	return &Chart{repo: r, opts: opts}, nil
}

func (c *Chart) fail(op string, err error) error {
	if err == nil {
		return nil
	}
	return &source.Error{Op: op + " chart " + c.opts.Name, Ref: withoutUser(c.repo.opts.URL), Err: err}
}

// Resolve implements source.Source: the revision is the chart's version.
func (c *Chart) Resolve(ctx context.Context) (source.Revision, error) {
	ctx, cancel := c.repo.timeout(ctx)
	defer cancel()
	v, err := c.find(ctx, c.opts.Version)
	if err != nil {
		return "", c.fail("resolve", err)
	}
	return source.Revision(v.Version), nil
}

func (c *Chart) find(ctx context.Context, version string) (ChartVersion, error) {
	all, err := c.repo.versions(ctx, c.opts.Name)
	if err != nil {
		return ChartVersion{}, err
	}
	return pick(c.opts.Name, version, all)
}

// Fetch implements source.Source. A chart that is kept costs one conditional
// request for the index.
func (c *Chart) Fetch(ctx context.Context, revision source.Revision) (*source.Artifact, error) {
	ctx, cancel := c.repo.timeout(ctx)
	defer cancel()
	v, err := c.find(ctx, string(revision))
	if err == nil && v.Version != string(revision) {
		err = fmt.Errorf("%w: version %s is not in the index any more", source.ErrNotFound, revision)
	}
	if err != nil {
		return nil, c.fail("fetch", err)
	}
	key := strings.Join([]string{c.repo.fingerprint(), c.opts.Name, v.Version, v.Digest, v.URLs[0], digestText(c.opts.Provenance)}, "\n")
	tree, ok := c.repo.charts.Get(key)
	if !ok {
		if tree, err = c.download(ctx, v, key); err != nil {
			return nil, c.fail("fetch", err)
		}
	}
	a, err := fromTree(revision, tree, func() { _ = c.repo.charts.Remove(key) })
	return a, c.fail("fetch", err)
}

func digestText(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// download brings a chart's file, checks it and unpacks it.
func (c *Chart) download(ctx context.Context, v ChartVersion, key string) (*treecache.Tree, error) {
	u, err := c.repo.base.Parse(v.URLs[0])
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return nil, invalidf("the index gives a URL that is neither http nor https")
	}
	file, digest, err := c.repo.file(ctx, u)
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(file) }()
	if want := strings.TrimPrefix(v.Digest, "sha256:"); want != "" && !strings.EqualFold(want, digest) {
		return nil, fmt.Errorf("%w: the chart has the digest %s; the index says %s", source.ErrCorrupt, digest, want)
	}
	note := map[string]string{}
	if len(c.opts.Provenance) > 0 {
		if note[MetadataSigner], err = c.provenance(ctx, u, digest); err != nil {
			return nil, err
		}
	}
	return c.repo.charts.Put(key, note, func(dir string) (map[string]string, error) {
		return nil, unpackFile(ctx, file, dir, c.opts.Name)
	})
}

// file downloads to a temporary file.
func (r *Repository) file(ctx context.Context, u *url.URL) (name, digest string, err error) {
	res, err := r.get(ctx, u, nil)
	if err != nil {
		return "", "", err
	}
	defer res.Body.Close()
	f, err := os.CreateTemp(r.opts.Dir, ".chart-")
	if err != nil {
		return "", "", err
	}
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, h), httpclient.Limit(res.Body, r.opts.MaxChartBytes))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = os.Remove(f.Name())
		if errors.Is(err, httpclient.ErrTooLarge) {
			return "", "", fmt.Errorf("%w: the chart has more than %d bytes; set Options.MaxChartBytes", source.ErrTooLarge, r.opts.MaxChartBytes)
		}
		return "", "", r.classify(ctx, err)
	}
	return f.Name(), hex.EncodeToString(h.Sum(nil)), nil
}

// unpackFile extracts a chart and takes its one folder for the root.
func unpackFile(ctx context.Context, file, dir, name string) error {
	f, err := os.Open(file) //nolint:gosec // made by us
	if err != nil {
		return err
	}
	defer f.Close()
	return unpack(ctx, f, dir, name)
}

func unpack(ctx context.Context, r io.Reader, dir, name string) error {
	outer := dir + ".all"
	defer func() { _ = os.RemoveAll(outer) }()
	_, err := archive.Extract(ctx, r, outer, archive.ExtractOptions{
		Limits: archive.Limits{Bytes: maxUnpacked, Entries: maxChartFiles}, SkipLinks: true, WindowsNames: true,
	})
	if err != nil {
		return err
	}
	root := filepath.Join(outer, name)
	if _, err := os.Stat(filepath.Join(root, "Chart.yaml")); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: the file holds no chart: it has no %s/Chart.yaml", source.ErrCorrupt, name)
	} else if err != nil {
		return err
	}
	return os.Rename(root, dir)
}

// fromTree makes an artifact of a kept chart.
func fromTree(revision source.Revision, tree *treecache.Tree, forget func()) (*source.Artifact, error) {
	entries := make([]archive.Entry, 0, len(tree.Files))
	for _, f := range tree.Files {
		e := archive.Entry{Path: f.Path, Mode: f.Mode, ID: f.Digest}
		if f.Mode.IsRegular() {
			e.Size = f.Size
		}
		entries = append(entries, e)
	}
	var metadata map[string]string
	if err := json.Unmarshal(tree.Note, &metadata); err != nil {
		forget()
		return nil, fmt.Errorf("%w: %w", source.ErrCorrupt, err)
	}
	open := func(_ context.Context, e archive.Entry) (io.ReadCloser, error) {
		r, err := tree.Open(e.Path, e.ID)
		if err != nil {
			forget()
			return nil, fmt.Errorf("%w: %w; fetch the chart again", source.ErrCorrupt, err)
		}
		return r, nil
	}
	return source.NewArtifact(source.Contents{Revision: revision, Entries: entries, Open: open, Metadata: metadata})
}
