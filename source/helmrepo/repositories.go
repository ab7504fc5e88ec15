package helmrepo

import (
	"context"
	"strings"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/oci"
)

// Dependencies is a DependencySource that asks Helm repositories and registries.
type Dependencies struct {
	// Dir is the folder that keeps indexes and charts. Required for http(s).
	Dir string
	// Repository returns the options, such as credentials, for the repository
	// at a URL; what it leaves empty of URL and Dir is filled in. Nil asks all
	// anonymously.
	Repository func(ctx context.Context, url string) (Options, error)
	// Client and Cache are for registries. Required for oci://.
	Client *oci.Client
	Cache  *oci.Cache
}

var _ DependencySource = Dependencies{}

// Dependency implements DependencySource.
func (s Dependencies) Dependency(ctx context.Context, d Dependency) (*source.Artifact, error) {
	scheme, _, _ := strings.Cut(d.Repository, "://")
	switch scheme {
	case "oci":
		chart, err := NewOCIChart(OCIChartOptions{
			URL: strings.TrimSuffix(d.Repository, "/") + "/" + d.Name, Version: d.Version, Client: s.Client, Cache: s.Cache,
		})
		if err != nil {
			return nil, err
		}
		return latest(ctx, chart)
	case "http", "https":
		return s.fromRepository(ctx, d)
	}
	return nil, &source.Error{Op: "find dependency", Ref: d.Name, Err: invalidf(
		"the repository %q is neither http://, https://, oci:// nor file://; names and aliases of repositories are known to the helm command only", d.Repository)}
}

func (s Dependencies) fromRepository(ctx context.Context, d Dependency) (*source.Artifact, error) {
	opts := Options{}
	if s.Repository != nil {
		var err error
		if opts, err = s.Repository(ctx, d.Repository); err != nil {
			return nil, err
		}
	}
	if opts.URL == "" {
		opts.URL = d.Repository
	}
	if opts.Dir == "" {
		opts.Dir = s.Dir
	}
	repo, err := New(opts)
	if err != nil {
		return nil, err
	}
	defer repo.Close()
	chart, err := repo.Chart(ChartOptions{Name: d.Name, Version: d.Version})
	if err != nil {
		return nil, err
	}
	return latest(ctx, chart)
}

func latest(ctx context.Context, s source.Source) (*source.Artifact, error) {
	revision, err := s.Resolve(ctx)
	if err != nil {
		return nil, err
	}
	return s.Fetch(ctx, revision)
}
