package helmrepo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/Masterminds/semver/v3"
	"go.yaml.in/yaml/v3"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/archive"
)

const chartFile = "Chart.yaml"

// chartFolder is a chart that is being built.
type chartFolder struct {
	whole *source.Artifact // what it was found in
	dir   string           // where in it
	files *source.Artifact
	text  []byte // of Chart.yaml
	meta  chartMetadata
	lock  []Dependency

	changed map[string][]byte // files that get another content
	added   []*source.Artifact
}

type chartMetadata struct {
	APIVersion   string       `yaml:"apiVersion"`
	Name         string       `yaml:"name"`
	Version      string       `yaml:"version"`
	Dependencies []Dependency `yaml:"dependencies"`
}

// readMetadata reads Chart.yaml and Chart.lock, or what they were called in
// charts of version 1.
func (c *chartFolder) readMetadata() error {
	if err := yaml.Unmarshal(c.text, &c.meta); err != nil {
		return fmt.Errorf("%w: %s: %w", source.ErrCorrupt, chartFile, err)
	}
	if c.meta.Name == "" || strings.ContainsAny(c.meta.Name, `/\`) || c.meta.Name == "." || c.meta.Name == ".." {
		return fmt.Errorf("%w: %s: %q is no name of a chart", source.ErrCorrupt, chartFile, c.meta.Name)
	}
	if _, err := semver.NewVersion(c.meta.Version); err != nil {
		return fmt.Errorf("%w: %s: %q is no semantic version", source.ErrCorrupt, chartFile, c.meta.Version)
	}
	lock := "Chart.lock"
	if c.meta.APIVersion == "v1" {
		lock = "requirements.lock"
		if err := c.read("requirements.yaml", &c.meta.Dependencies); err != nil {
			return err
		}
	}
	if len(c.meta.Dependencies) > maxDependencies {
		return fmt.Errorf("%w: the chart has %d dependencies; it may have %d", source.ErrTooLarge, len(c.meta.Dependencies), maxDependencies)
	}
	return c.read(lock, &c.lock)
}

// read reads the dependencies in a file that may be absent.
func (c *chartFolder) read(name string, into *[]Dependency) error {
	data, err := readFile(c.files.FS(), name)
	if errors.Is(err, source.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var content struct {
		Dependencies []Dependency `yaml:"dependencies"`
	}
	if err := yaml.Unmarshal(data, &content); err != nil {
		return fmt.Errorf("%w: %s: %w", source.ErrCorrupt, name, err)
	}
	*into = content.Dependencies
	return nil
}

// artifact is what was built.
func (c *chartFolder) artifact(revision source.Revision) (*source.Artifact, error) {
	base := c.files
	if len(c.changed) > 0 {
		var err error
		if base, err = replace(base, c.changed); err != nil {
			return nil, err
		}
	}
	var parts []source.Inclusion
	for _, d := range c.added {
		name := d.Metadata()[metadataName]
		parts = append(parts, source.Inclusion{Artifact: d, To: "charts/" + name + "-" + string(d.Revision())})
	}
	built, err := source.Include(base, parts...)
	if err != nil {
		return nil, err
	}
	return built.WithRevision(revision), nil
}

// metadataName carries a dependency's name to where it is put.
const metadataName = "gitopskit.github.io/chart-name"

// replace returns the artifact with files that have another content.
func replace(a *source.Artifact, changed map[string][]byte) (*source.Artifact, error) {
	var entries []archive.Entry
	for _, e := range a.Entries() {
		if _, ok := changed[e.Path]; !ok {
			entries = append(entries, e)
		}
	}
	for name, data := range changed {
		sum := sha256.Sum256(data)
		entries = append(entries, archive.Entry{Path: name, Mode: 0o644, Size: int64(len(data)), ID: "sha256:" + hex.EncodeToString(sum[:])})
	}
	open := func(_ context.Context, e archive.Entry) (io.ReadCloser, error) {
		if data, ok := changed[e.Path]; ok {
			return io.NopCloser(bytes.NewReader(data)), nil
		}
		f, err := a.FS().Open(e.Path)
		return f, err
	}
	return source.NewArtifact(source.Contents{Revision: a.Revision(), Entries: entries, Open: open, Metadata: a.Metadata()})
}

// setVersion changes the version in the text of Chart.yaml, and nothing else
// that means something.
func setVersion(text []byte, version string) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil || len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%w: %s is no mapping", source.ErrCorrupt, chartFile)
	}
	fields := doc.Content[0].Content
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i].Value == "version" {
			fields[i+1].SetString(version)
			return yaml.Marshal(&doc)
		}
	}
	return nil, fmt.Errorf("%w: %s has no version", source.ErrCorrupt, chartFile)
}

// WritePackage writes a chart as Helm packages it, a tar.gz with one folder that
// has the chart's name, and returns the digest and size of its bytes. The same
// chart gives the same bytes.
func WritePackage(ctx context.Context, w io.Writer, chart *source.Artifact) (archive.Info, error) {
	fail := func(err error) (archive.Info, error) {
		return archive.Info{}, &source.Error{Op: "package chart", Err: err}
	}
	if chart == nil {
		return fail(invalidf("no artifact"))
	}
	c, err := openChart(chart, "")
	if err != nil {
		return fail(err)
	}
	empty, err := source.NewArtifact(source.Contents{Revision: chart.Revision()})
	if err != nil {
		return fail(err)
	}
	packed, err := source.Include(empty, source.Inclusion{Artifact: chart, To: path.Clean(c.meta.Name)})
	if err != nil {
		return fail(err)
	}
	return packed.WriteArchive(ctx, w)
}
