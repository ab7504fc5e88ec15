package helmrepo

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"github.com/Masterminds/semver/v3"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/archive"
	"github.com/gitopskit/gitopskit/source/oci"
)

// MediaTypeChart is that of the layer which holds a chart.
const MediaTypeChart = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"

// OCIChartOptions says which chart in a registry is wanted.
type OCIChartOptions struct {
	// URL is oci://host/path/name; its last part is the chart's name.
	// Required.
	URL string
	// Version is a version or a range; empty means the newest that is no
	// pre-release. A "+" in it is the registry's "_".
	Version string
	// Client speaks to the registry. Required.
	Client *oci.Client
	// Cache keeps what was fetched. Required.
	Cache *oci.Cache
	// Verifier must accept the chart's digest; nil accepts all.
	Verifier oci.Verifier
}

// OCIChart is a chart in a registry. It is safe for concurrent use. The files
// of its artifacts are the chart's, Chart.yaml at the root.
type OCIChart struct {
	opts OCIChartOptions
	name string

	mu   sync.Mutex
	last struct { // knows what was verified
		digest string
		source *oci.Source
	}
}

var _ source.Source = (*OCIChart)(nil)

// NewOCIChart checks the options. It makes no request.
func NewOCIChart(opts OCIChartOptions) (*OCIChart, error) {
	c := &OCIChart{opts: opts, name: opts.URL[strings.LastIndexByte(opts.URL, '/')+1:]}
	if _, err := c.source("sha256:" + strings.Repeat("0", 64)); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *OCIChart) source(digest string) (*oci.Source, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last.source != nil && c.last.digest == digest {
		return c.last.source, nil
	}
	s, err := oci.New(oci.Options{
		URL: c.opts.URL, Reference: oci.Reference{Digest: digest}, Layer: oci.Layer{MediaType: MediaTypeChart},
		Client: c.opts.Client, Cache: c.opts.Cache, Verifier: c.opts.Verifier,
		Limits: archive.Limits{Bytes: maxUnpacked, Entries: maxChartFiles}, MaxLayerBytes: defaultMaxChart,
	})
	if err == nil {
		c.last.digest, c.last.source = digest, s
	}
	return s, err
}

// Resolve implements source.Source: the revision is the version and the digest,
// such as "6.5.1@sha256:3b4c…".
func (c *OCIChart) Resolve(ctx context.Context) (source.Revision, error) {
	tag := strings.ReplaceAll(c.opts.Version, "+", "_")
	if _, err := semver.StrictNewVersion(strings.TrimPrefix(c.opts.Version, "v")); err != nil {
		tags, err := c.opts.Client.Tags(ctx, c.opts.URL)
		if err != nil {
			return "", err
		}
		all := make([]ChartVersion, 0, len(tags))
		for _, t := range tags {
			all = append(all, ChartVersion{Name: c.name, Version: strings.ReplaceAll(t, "_", "+")})
		}
		v, err := pick(c.name, c.opts.Version, all)
		if err != nil {
			return "", &source.Error{Op: "resolve chart", Ref: c.opts.URL, Err: err}
		}
		tag = strings.ReplaceAll(v.Version, "+", "_")
	}
	digest, err := c.opts.Client.Digest(ctx, c.opts.URL+":"+tag)
	if err != nil {
		return "", err
	}
	return source.Revision(strings.ReplaceAll(tag, "_", "+") + "@" + digest), nil
}

// Fetch implements source.Source. A digest that is in the cache costs no
// request.
func (c *OCIChart) Fetch(ctx context.Context, revision source.Revision) (*source.Artifact, error) {
	s, err := c.source(revision.Digest())
	if err != nil {
		return nil, err
	}
	a, err := s.Fetch(ctx, revision)
	if err != nil {
		return nil, err
	}
	if _, err := fs.Stat(a.FS(), c.name+"/Chart.yaml"); err != nil {
		return nil, &source.Error{Op: "fetch chart", Ref: c.opts.URL, Err: fmt.Errorf("%w: the layer has no %s/Chart.yaml", source.ErrCorrupt, c.name)}
	}
	return a.Sub(c.name)
}
