package helmrepo

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"

	"github.com/Masterminds/semver/v3"
	"go.yaml.in/yaml/v3"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/archive"
)

// Dependency is an entry of a chart's dependencies.
type Dependency struct {
	// Name is the chart's.
	Name string `yaml:"name"`
	// Version is a version or a range; empty means the newest.
	Version string `yaml:"version"`
	// Repository is the URL of where it is: http(s)://, oci://, or file:// and
	// a path relative to the chart. Empty means the folder charts/.
	Repository string `yaml:"repository"`
}

// DependencySource brings charts that others depend on.
type DependencySource interface {
	// Dependency returns the chart with its files at the root.
	Dependency(ctx context.Context, d Dependency) (*source.Artifact, error)
}

// DependencyFunc is a DependencySource.
type DependencyFunc func(ctx context.Context, d Dependency) (*source.Artifact, error)

// Dependency implements DependencySource.
func (f DependencyFunc) Dependency(ctx context.Context, d Dependency) (*source.Artifact, error) {
	return f(ctx, d)
}

// dependencyConcurrency is how many are brought at once.
const dependencyConcurrency = 4

// withDependencies adds those that the chart does not hold.
func (b builder) withDependencies(ctx context.Context, c *chartFolder, depth int) error {
	missing, err := c.missing()
	if err != nil || len(missing) == 0 {
		return err
	}
	if depth >= maxDependencyDepth {
		return fmt.Errorf("%w: dependencies are nested deeper than %d", source.ErrTooLarge, maxDependencyDepth)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	found, errs := make([]*source.Artifact, len(missing)), make([]error, len(missing))
	slots := make(chan struct{}, dependencyConcurrency)
	var wg sync.WaitGroup
	for i, d := range missing {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if found[i], errs[i] = b.dependency(ctx, c, d, depth); errs[i] != nil {
				errs[i] = fmt.Errorf("dependency %s %s: %w", d.Name, d.Version, errs[i])
				cancel()
			}
		})
	}
	wg.Wait()
	if err := firstCause(errs); err != nil {
		return err
	}
	c.added = found
	return nil
}

// firstCause prefers an error that is not the end of the others' context.
func firstCause(errs []error) error {
	var first error
	for _, err := range errs {
		if err != nil && (first == nil || errors.Is(first, context.Canceled)) {
			first = err
		}
	}
	return first
}

// missing are the dependencies that are not in charts/, as the lock wants them.
func (c *chartFolder) missing() ([]Dependency, error) {
	have, err := c.vendored()
	if err != nil {
		return nil, err
	}
	var out []Dependency
	seen := map[string]bool{}
	for _, d := range c.meta.Dependencies {
		if have[d.Name] {
			continue
		}
		if len(c.lock) > 0 {
			locked, err := c.locked(d)
			if err != nil {
				return nil, err
			}
			d.Version = locked
		}
		// Aliases of one chart are one chart.
		if key := d.Name + "\n" + d.Version + "\n" + d.Repository; !seen[key] {
			seen[key] = true
			out = append(out, d)
		}
	}
	return out, nil
}

// locked is the version that Chart.lock has for a dependency.
func (c *chartFolder) locked(d Dependency) (string, error) {
	for _, l := range c.lock {
		if l.Name == d.Name && l.Repository == d.Repository && inRange(d.Version, l.Version) {
			return l.Version, nil
		}
	}
	return "", invalidf("the chart's lock has no version of the dependency %s in %q: run 'helm dependency update'", d.Name, d.Version)
}

func inRange(wanted, version string) bool {
	if wanted == "" {
		return true
	}
	constraint, err := semver.NewConstraint(wanted)
	if err != nil {
		return wanted == version
	}
	v, err := semver.NewVersion(version)
	return err == nil && constraint.Check(v)
}

// dependency brings one, with its own dependencies.
func (b builder) dependency(ctx context.Context, c *chartFolder, d Dependency, depth int) (*source.Artifact, error) {
	found, err := b.find(ctx, c, d)
	if err != nil {
		return nil, err
	}
	if found.meta.Name != d.Name || !inRange(d.Version, found.meta.Version) {
		return nil, fmt.Errorf("%w: %q holds the chart %s %s", source.ErrInvalid, d.Repository, found.meta.Name, found.meta.Version)
	}
	if err := b.withDependencies(ctx, found, depth+1); err != nil {
		return nil, err
	}
	built, err := found.artifact(source.Revision(found.meta.Version))
	if err != nil {
		return nil, err
	}
	return built.WithMetadata(map[string]string{metadataName: found.meta.Name}), nil
}

func (b builder) find(ctx context.Context, c *chartFolder, d Dependency) (*chartFolder, error) {
	switch scheme, rest, _ := strings.Cut(d.Repository, "://"); {
	case d.Repository == "":
		return nil, fmt.Errorf("%w: it has no repository and is not in the folder charts", source.ErrNotFound)
	case scheme == "file":
		at := path.Join(c.dir, rest)
		if path.IsAbs(rest) || archive.CheckPath(at) != nil {
			return nil, fmt.Errorf("%w: the repository %q leads out of the artifact", source.ErrUnsafe, d.Repository)
		}
		if at == c.dir {
			return nil, invalidf("the chart depends on itself")
		}
		return openChart(c.whole, at)
	case b.opts.Dependencies == nil:
		return nil, invalidf("set BuildOptions.Dependencies to bring it from %q", d.Repository)
	}
	a, err := b.opts.Dependencies.Dependency(ctx, d)
	if err != nil {
		return nil, err
	}
	return openChart(a, "")
}

// vendored are the names of the charts in the folder charts/.
func (c *chartFolder) vendored() (map[string]bool, error) {
	out := map[string]bool{}
	list, err := fs.ReadDir(c.files.FS(), "charts")
	if errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		at := "charts/" + e.Name()
		var text []byte
		switch {
		case e.IsDir():
			text, err = readFile(c.files.FS(), at+"/"+chartFile)
		case strings.HasSuffix(e.Name(), ".tgz"):
			text, err = c.packedMetadata(at)
		default:
			continue
		}
		var m chartMetadata
		if errors.Is(err, source.ErrNotFound) {
			continue
		}
		if err == nil {
			err = yaml.Unmarshal(text, &m)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", source.ErrCorrupt, at, err)
		}
		out[m.Name] = true
	}
	return out, nil
}

// packedMetadata reads Chart.yaml of a packaged chart.
func (c *chartFolder) packedMetadata(name string) ([]byte, error) {
	f, err := c.files.FS().Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	gz, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	tr := tar.NewReader(io.LimitReader(gz, maxUnpacked))
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%w: %s holds no chart", source.ErrNotFound, name)
		}
		if err != nil {
			return nil, err
		}
		if dir, base := path.Split(strings.ReplaceAll(h.Name, `\`, "/")); base == chartFile && strings.Count(strings.TrimPrefix(dir, "./"), "/") == 1 {
			return io.ReadAll(io.LimitReader(tr, maxChartFile))
		}
	}
}
