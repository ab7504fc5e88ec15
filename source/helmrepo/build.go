package helmrepo

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/archive"
)

// Strategy says when a chart that comes from a folder is another one.
type Strategy string

const (
	// StrategyChartVersion is the default: when Chart.yaml's version changes.
	StrategyChartVersion Strategy = "ChartVersion"
	// StrategyRevision is when the artifact that holds it changes: the first twelve
	// digits of that revision's digest become the version's build metadata.
	StrategyRevision Strategy = "Revision"
)

// BuildOptions says which chart is built, and of what.
type BuildOptions struct {
	// Path is the chart's folder in the artifact. Empty means its root.
	Path string
	// ValuesFiles are merged from left to right and replace values.yaml, which
	// is among them only if it is named. They are relative to the artifact's
	// root.
	ValuesFiles []string
	// IgnoreMissingValuesFiles passes over those that do not exist. If none
	// does, values.yaml stays.
	IgnoreMissingValuesFiles bool
	// Strategy says when the chart gets another version. Empty means
	// StrategyChartVersion.
	Strategy Strategy
	// VersionMetadata, such as the generation of the object that asks for the
	// chart, becomes the version's build metadata, after that of StrategyRevision.
	VersionMetadata string
	// Dependencies brings those that are neither in charts/ nor in the
	// artifact. Nil fails where there is one.
	Dependencies DependencySource
}

// Limits of what one chart may bring along.
const (
	maxDependencies    = 100
	maxDependencyDepth = 10
	maxChartFile       = 5 << 20
)

// Build makes a whole chart of one that an artifact holds: with its
// dependencies, its values and its version. Its files are the chart's, Chart.yaml
// at the root; its revision is the chart's version. What is in the folder
// charts/ stays; of the rest, Chart.lock says which versions are brought.
func Build(ctx context.Context, a *source.Artifact, opts BuildOptions) (*source.Artifact, error) {
	b := builder{opts: opts}
	built, err := b.run(ctx, a)
	if err != nil {
		return nil, &source.Error{Op: "build chart", Ref: opts.Path, Err: err}
	}
	return built, nil
}

type builder struct{ opts BuildOptions }

func (b builder) run(ctx context.Context, a *source.Artifact) (*source.Artifact, error) {
	switch {
	case a == nil:
		return nil, invalidf("no artifact")
	case b.opts.Strategy != "" && b.opts.Strategy != StrategyChartVersion && b.opts.Strategy != StrategyRevision:
		return nil, invalidf("Strategy %q: use %q or %q", b.opts.Strategy, StrategyChartVersion, StrategyRevision)
	}
	at := strings.Trim(path.Clean("/"+b.opts.Path), "/")
	c, err := openChart(a, at)
	if err != nil {
		return nil, err
	}
	if err := b.withDependencies(ctx, c, 0); err != nil {
		return nil, err
	}
	values, err := b.values(a.FS())
	if err != nil {
		return nil, err
	}
	if values != nil {
		c.changed["values.yaml"] = values
	}
	version, err := b.version(a.Revision(), c.meta.Version)
	if err != nil {
		return nil, err
	}
	if version != c.meta.Version {
		if c.changed[chartFile], err = setVersion(c.text, version); err != nil {
			return nil, err
		}
	}
	return c.artifact(source.Revision(version))
}

// version adds what the options want to the chart's.
func (b builder) version(revision source.Revision, version string) (string, error) {
	var add []string
	if b.opts.Strategy == StrategyRevision {
		_, hex, _ := strings.Cut(revision.Digest(), ":")
		if len(hex) < 12 {
			return "", invalidf("the revision %q has no digest, which the strategy %s needs", revision, StrategyRevision)
		}
		add = append(add, hex[:12])
	}
	if b.opts.VersionMetadata != "" {
		add = append(add, b.opts.VersionMetadata)
	}
	if len(add) == 0 {
		return version, nil
	}
	v, err := semver.NewVersion(version)
	if err != nil {
		return "", invalidf("the chart's version %q is no semantic version", version)
	}
	changed, err := v.SetMetadata(strings.Join(add, "."))
	if err != nil {
		return "", invalidf("VersionMetadata %q: %v", b.opts.VersionMetadata, err)
	}
	return changed.String(), nil
}

// openChart reads the chart in a folder of an artifact.
func openChart(a *source.Artifact, dir string) (*chartFolder, error) {
	c := &chartFolder{whole: a, dir: dir, changed: map[string][]byte{}}
	if dir == "" {
		c.files = a
	} else {
		if err := archive.CheckPath(dir); err != nil {
			return nil, err
		}
		var err error
		if c.files, err = a.Sub(dir); err != nil {
			return nil, err
		}
	}
	var err error
	if c.text, err = readFile(c.files.FS(), chartFile); err != nil {
		return nil, err
	}
	return c, c.readMetadata()
}

// readFile reads a file of a chart, without the mark that some editors put
// before UTF-8.
func readFile(fsys fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", source.ErrNotFound, err)
	}
	if info.Size() > maxChartFile {
		return nil, fmt.Errorf("%w: %s has %d bytes; a chart's file may have %d", source.ErrTooLarge, name, info.Size(), maxChartFile)
	}
	data, err := fs.ReadFile(fsys, name)
	return []byte(strings.TrimPrefix(string(data), "\ufeff")), err
}
