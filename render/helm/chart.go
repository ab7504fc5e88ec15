package helm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/ignore"
	"sigs.k8s.io/yaml"

	"github.com/gitopskit/gitopskit/render/helm/internal/raw"
)

// Chart is a loaded chart. It never changes and may be used by several
// goroutines; its templates are parsed once.
type Chart struct {
	c       *chart.Chart
	parsed  parsedSets
	decoded decodedCache
}

// Metadata is what Chart.yaml says.
type Metadata struct {
	Name, Version, AppVersion, Description, Type, KubeVersion string
	Deprecated                                                bool
}

// Dependency is an entry of a chart's dependencies.
type Dependency struct{ Name, Version, Repository, Alias string }

// DependencySource fetches dependencies that a chart does not hold itself.
type DependencySource interface {
	// FetchDependency returns the archive of a chart that meets d.
	FetchDependency(ctx context.Context, d Dependency) (io.ReadCloser, error)
}

// LoadOptions of a chart.
type LoadOptions struct {
	// Dependencies fetches those that are not in the folder charts/ and not in
	// the same file system (repository file://…). Nil fails with ErrDependency.
	Dependencies DependencySource
	// VersionMetadata replaces the build metadata of the chart's version; Flux
	// puts the first 12 characters of an OCI digest there.
	VersionMetadata string
	// MaxFileSize bounds a file, in bytes. Zero means 5 MiB.
	MaxFileSize int64
	// MaxSize bounds all files together, in bytes. Zero means 100 MiB.
	MaxSize int64
}

func (o LoadOptions) withDefaults() LoadOptions {
	if o.MaxFileSize <= 0 {
		o.MaxFileSize = 5 << 20
	}
	if o.MaxSize <= 0 {
		o.MaxSize = 100 << 20
	}
	return o
}

// LoadFS loads the chart in the folder dir of fsys. The rules of .helmignore
// apply; dependencies with a repository file://… are taken from fsys.
func LoadFS(ctx context.Context, fsys fs.FS, dir string, o LoadOptions) (*Chart, error) {
	o = o.withDefaults()
	c, err := loadFolder(ctx, fsys, path.Clean(strings.TrimPrefix(dir, "/")), o, 0)
	if err != nil {
		return nil, loadError(dir, err)
	}
	return newChart(c, o)
}

// LoadArchive loads a chart from a .tgz.
func LoadArchive(ctx context.Context, r io.Reader, o LoadOptions) (*Chart, error) {
	o = o.withDefaults()
	c, err := loader.LoadArchive(io.LimitReader(r, o.MaxSize))
	if err == nil {
		err = addDependencies(ctx, c, nil, ".", o, 0)
	}
	if err != nil {
		return nil, loadError("", err)
	}
	return newChart(c, o)
}

func loadError(ref string, err error) error {
	var e *Error
	if errors.As(err, &e) {
		return err
	}
	for _, known := range []error{ErrDependency, ErrLimit} {
		if errors.Is(err, known) {
			return &Error{Op: "load", Ref: ref, Err: err}
		}
	}
	return &Error{Op: "load", Ref: ref, Err: fmt.Errorf("%w: %w", ErrChart, err)}
}

func newChart(c *chart.Chart, o LoadOptions) (*Chart, error) {
	if o.VersionMetadata != "" {
		version, _, _ := strings.Cut(c.Metadata.Version, "+")
		c.Metadata.Version = version + "+" + o.VersionMetadata
	}
	if err := c.Validate(); err != nil {
		return nil, loadError(c.Name(), err)
	}
	return &Chart{c: c}, nil
}

const maxDependencyDepth = 20

func loadFolder(ctx context.Context, fsys fs.FS, dir string, o LoadOptions, depth int) (*chart.Chart, error) {
	rules, err := ignoreRules(fsys, dir)
	if err != nil {
		return nil, err
	}
	var files []*loader.BufferedFile
	left := o.MaxSize
	err = fs.WalkDir(fsys, dir, func(p string, d fs.DirEntry, err error) error {
		if err = errors.Join(err, ctx.Err()); err != nil || p == dir {
			return err
		}
		name := strings.TrimPrefix(p, dir+"/")
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case rules.Ignore(name, info) && d.IsDir():
			return fs.SkipDir
		case d.IsDir() || rules.Ignore(name, info):
			return nil
		}
		data, err := readBounded(fsys, p, min(o.MaxFileSize, left))
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		left -= int64(len(data))
		files = append(files, &loader.BufferedFile{Name: name, Data: bytes.TrimPrefix(data, []byte("\ufeff"))})
		return nil
	})
	if err != nil {
		return nil, err
	}
	c, err := loader.LoadFiles(files)
	if err != nil {
		return nil, err
	}
	return c, addDependencies(ctx, c, fsys, dir, o, depth)
}

func ignoreRules(fsys fs.FS, dir string) (*ignore.Rules, error) {
	rules := ignore.Empty()
	if f, err := fsys.Open(path.Join(dir, ignore.HelmIgnore)); err == nil {
		defer f.Close() //nolint:errcheck // only read
		if rules, err = ignore.Parse(f); err != nil {
			return nil, err
		}
	}
	rules.AddDefaults()
	return rules, nil
}

func readBounded(fsys fs.FS, name string, most int64) ([]byte, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%w: larger than %d bytes", ErrLimit, most)
	}
	return data, err
}

// addDependencies adds those that Chart.yaml names and charts/ does not hold.
func addDependencies(ctx context.Context, c *chart.Chart, fsys fs.FS, dir string, o LoadOptions, depth int) error {
	if depth > maxDependencyDepth {
		return fmt.Errorf("%w: dependencies nested deeper than %d", ErrLimit, maxDependencyDepth)
	}
	for _, d := range c.Metadata.Dependencies {
		if d == nil || slices.ContainsFunc(c.Dependencies(), func(have *chart.Chart) bool {
			return have.Name() == d.Name && chartutil.IsCompatibleRange(d.Version, have.Metadata.Version)
		}) {
			continue
		}
		sub, err := fetch(ctx, *d, fsys, dir, o, depth)
		if err != nil {
			return fmt.Errorf("%w: %s %s: %w", ErrDependency, d.Name, d.Version, err)
		}
		if sub.Name() != d.Name || !chartutil.IsCompatibleRange(d.Version, sub.Metadata.Version) {
			return fmt.Errorf("%w: %s %s: got %s %s", ErrDependency, d.Name, d.Version, sub.Name(), sub.Metadata.Version)
		}
		c.AddDependency(sub)
	}
	return nil
}

func fetch(ctx context.Context, d chart.Dependency, fsys fs.FS, dir string, o LoadOptions, depth int) (*chart.Chart, error) {
	if local, ok := strings.CutPrefix(d.Repository, "file://"); ok && fsys != nil {
		at := path.Join(dir, local)
		if strings.HasPrefix(at, "../") || at == ".." || path.IsAbs(local) {
			return nil, errors.New("its repository leads out of the chart's file system")
		}
		return loadFolder(ctx, fsys, at, o, depth+1)
	}
	if o.Dependencies == nil {
		return nil, errors.New("it is not in charts/; set LoadOptions.Dependencies to fetch it")
	}
	r, err := o.Dependencies.FetchDependency(ctx, Dependency{d.Name, d.Version, d.Repository, d.Alias})
	if err != nil {
		return nil, err
	}
	defer r.Close() //nolint:errcheck // only read
	sub, err := loader.LoadArchive(io.LimitReader(r, o.MaxSize))
	if err != nil {
		return nil, err
	}
	return sub, addDependencies(ctx, sub, nil, ".", o, depth+1)
}

// Metadata returns what Chart.yaml says.
func (c *Chart) Metadata() Metadata {
	m := c.c.Metadata
	return Metadata{
		Name: m.Name, Version: m.Version, AppVersion: m.AppVersion, Description: m.Description,
		Type: m.Type, KubeVersion: m.KubeVersion, Deprecated: m.Deprecated,
	}
}

func (c *Chart) ref() string { return c.c.Name() + "-" + c.c.Metadata.Version }

// Values returns a copy of the chart's default values.
func (c *Chart) Values() map[string]any { return copyValues(c.c.Values) }

// WithValuesFiles returns a chart whose default values are those of the given
// files of the chart, merged in order: valuesFiles of a HelmChart. values.yaml is
// among them only if it is listed.
func (c *Chart) WithValuesFiles(ignoreMissing bool, names ...string) (*Chart, error) {
	merged := map[string]any{}
	for _, name := range names {
		data, ok := c.file(path.Clean(name))
		if !ok {
			if ignoreMissing {
				continue
			}
			return nil, &Error{Op: "values", Ref: c.ref(), File: name, Err: fmt.Errorf("%w: the chart has no such file", ErrValues)}
		}
		var v map[string]any
		if err := yaml.Unmarshal(data, &v); err != nil {
			return nil, &Error{Op: "values", Ref: c.ref(), File: name, Err: fmt.Errorf("%w: %w", ErrValues, err)}
		}
		merged = mergeValues(merged, v)
	}
	out := *c.c
	out.Values = merged
	out.Raw = slices.Clone(out.Raw)
	text, err := yaml.Marshal(merged)
	if err != nil {
		return nil, &Error{Op: "values", Ref: c.ref(), Err: fmt.Errorf("%w: %w", ErrValues, err)}
	}
	for i, f := range out.Raw {
		if f.Name == chartutil.ValuesfileName {
			out.Raw[i] = &chart.File{Name: f.Name, Data: text}
		}
	}
	return &Chart{c: &out}, nil
}

func (c *Chart) file(name string) ([]byte, bool) {
	for _, f := range c.c.Raw {
		if f.Name == name {
			return f.Data, true
		}
	}
	return nil, false
}

// Internal gives the packages below this one Helm's own chart.
func (c *Chart) Internal() raw.Chart { return raw.Chart{Helm: copyChart(c.c)} }

// copyChart copies what processing dependencies changes: the tree of charts,
// their metadata and values. Templates and files are shared.
func copyChart(c *chart.Chart) *chart.Chart {
	out := *c
	md := *c.Metadata
	out.Metadata = &md
	if md.Dependencies != nil {
		md.Dependencies = make([]*chart.Dependency, len(c.Metadata.Dependencies))
		for i, d := range c.Metadata.Dependencies {
			if d != nil {
				dc := *d
				md.Dependencies[i] = &dc
			}
		}
	}
	out.Values = copyValues(c.Values)
	subs := make([]*chart.Chart, 0, len(c.Dependencies()))
	for _, sub := range c.Dependencies() {
		subs = append(subs, copyChart(sub))
	}
	out.SetDependencies(subs...)
	return &out
}

func copyValues(v map[string]any) map[string]any {
	if v == nil {
		return nil
	}
	return copyValue(v).(map[string]any)
}

func copyValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, child := range v {
			out[k] = copyValue(child)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, child := range v {
			out[i] = copyValue(child)
		}
		return out
	}
	return v
}
