package helm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Lookup answers the template function of the same name: one object, or, without
// name, a list. A nil map and no error means that there is none.
type Lookup interface {
	Lookup(ctx context.Context, apiVersion, kind, namespace, name string) (map[string]any, error)
}

// LookupFunc is a Lookup as a function.
type LookupFunc func(ctx context.Context, apiVersion, kind, namespace, name string) (map[string]any, error)

// Lookup calls f.
func (f LookupFunc) Lookup(ctx context.Context, apiVersion, kind, namespace, name string) (map[string]any, error) {
	return f(ctx, apiVersion, kind, namespace, name)
}

// Objects is a Lookup in given objects.
func Objects(objects ...*unstructured.Unstructured) Lookup {
	return LookupFunc(func(_ context.Context, apiVersion, kind, namespace, name string) (map[string]any, error) {
		items := []any{}
		for _, o := range objects {
			if o.GetAPIVersion() != apiVersion || o.GetKind() != kind || namespace != "" && o.GetNamespace() != namespace {
				continue
			}
			if name != "" && o.GetName() == name {
				return o.DeepCopy().Object, nil
			}
			items = append(items, o.DeepCopy().Object)
		}
		if name != "" {
			return nil, nil
		}
		return map[string]any{"apiVersion": apiVersion, "kind": kind + "List", "metadata": map[string]any{}, "items": items}, nil
	})
}

// Options of a rendering.
type Options struct {
	// ReleaseName and Namespace are those of the release; the name is required.
	ReleaseName, Namespace string
	// Values override the chart's.
	Values map[string]any
	// Upgrade renders as for an upgrade instead of an installation; Revision is
	// that of the release. Zero means 1.
	Upgrade  bool
	Revision int
	// KubeVersion is the cluster's, for instance v1.36.3; empty means
	// DefaultKubeVersion.
	KubeVersion string
	// APIVersions are those the cluster has, as group/version and
	// group/version/Kind, beside those that Kubernetes always has.
	APIVersions []string
	// Lookup answers lookup; nil finds nothing.
	Lookup Lookup
	// SkipSchema leaves out the check of the values against the chart's schema.
	SkipSchema bool
	// PostRender changes the objects, not hooks, after the templates.
	PostRender PostRender
	// SubNotes adds the notes of subcharts.
	SubNotes bool
	// Limits bound the rendering; zero fields take their defaults.
	Limits Limits
}

// DefaultKubeVersion is that of the Kubernetes libraries that this module uses.
const DefaultKubeVersion = "v1.37.0"

// Limits of a rendering.
type Limits struct {
	// Time of the templates. Zero means 30 s.
	Time time.Duration
	// ValueSize is that of one value or output, in bytes. Zero means 32 MiB.
	ValueSize int
	// TotalSize is that of all values and outputs ever made, in bytes. Zero means 1 GiB.
	TotalSize int
}

// Hook is an object that runs at some event of a release.
type Hook struct {
	// Object is the hook.
	Object *unstructured.Unstructured
	// Path is the template it comes from.
	Path string
	// Events: pre-install, post-install, pre-upgrade, post-upgrade, pre-rollback,
	// post-rollback, pre-delete, post-delete.
	Events []string
	// Weight orders the hooks of an event.
	Weight int
	// DeletePolicies: before-hook-creation, hook-succeeded, hook-failed.
	DeletePolicies []string
}

// Rendered is what a chart gives. See Objects for what is to be installed.
type Rendered struct {
	// CRDs are the objects of the folders crds/. What is there and is no
	// CustomResourceDefinition is left out, as are CRDs of disabled subcharts.
	CRDs []*unstructured.Unstructured
	// Hooks and Tests, ordered by weight, kind and name.
	Hooks, Tests []Hook
	// Notes is the text of NOTES.txt.
	Notes string
	// Manifest is the text of what is to be installed, as Helm keeps it in a
	// release.
	Manifest string
	// Values are those that the templates saw.
	Values map[string]any

	chart   *Chart
	docs    []document
	objects []*unstructured.Unstructured // after post-rendering
	changed bool
}

// Template renders a chart. It is pure: offline, unless Options.Lookup is not,
// and without effect on the chart.
func Template(ctx context.Context, c *Chart, o Options) (*Rendered, error) {
	if c == nil || c.c == nil {
		return nil, &Error{Op: "template", Err: fmt.Errorf("%w: no chart given", ErrChart)}
	}
	if err := chartutil.ValidateReleaseName(o.ReleaseName); err != nil {
		return nil, &Error{Op: "template", Ref: c.ref(), Err: fmt.Errorf("%w: Options.ReleaseName %q: %w", ErrValues, o.ReleaseName, err)}
	}
	processed, top, err := prepare(c, o)
	if err != nil {
		return nil, err
	}
	files, err := renderFiles(ctx, c, processed, top, o)
	if err != nil {
		return nil, err
	}
	out := &Rendered{Values: top["Values"].(chartutil.Values)}
	out.Notes = takeNotes(processed, files, o.SubNotes)
	if err := c.sortOut(files, out); err != nil {
		return nil, err
	}
	if out.CRDs, err = crds(c, processed); err != nil {
		return nil, err
	}
	if err := o.PostRender.apply(ctx, c, out); err != nil {
		return nil, err
	}
	return out, nil
}

// prepare processes dependencies on a copy of the chart and composes the values
// that templates see.
func prepare(c *Chart, o Options) (*chart.Chart, chartutil.Values, error) {
	fail := func(sentinel, err error) error {
		return &Error{Op: "values", Ref: c.ref(), Err: fmt.Errorf("%w: %w", sentinel, err)}
	}
	caps, err := o.capabilities()
	if err != nil {
		return nil, nil, fail(ErrValues, err)
	}
	if want := c.c.Metadata.KubeVersion; want != "" && !chartutil.IsCompatibleRange(want, caps.KubeVersion.Version) {
		return nil, nil, fail(ErrKubeVersion, fmt.Errorf("it wants %s, the cluster has %s", want, caps.KubeVersion.Version))
	}
	processed := copyChart(c.c)
	values := copyValues(o.Values)
	if values == nil {
		values = map[string]any{}
	}
	if err := chartutil.ProcessDependenciesWithMerge(processed, values); err != nil {
		return nil, nil, fail(ErrValues, err)
	}
	revision := max(o.Revision, 1)
	top, err := chartutil.ToRenderValuesWithSchemaValidation(processed, values, chartutil.ReleaseOptions{
		Name: o.ReleaseName, Namespace: o.Namespace, Revision: revision, IsInstall: !o.Upgrade, IsUpgrade: o.Upgrade,
	}, caps, true)
	if err != nil {
		return nil, nil, fail(ErrValues, err)
	}
	if !o.SkipSchema {
		if err := chartutil.ValidateAgainstSchema(processed, top["Values"].(chartutil.Values)); err != nil {
			return nil, nil, fail(ErrSchema, err)
		}
	}
	return processed, top, nil
}

func (o Options) capabilities() (*chartutil.Capabilities, error) {
	caps := chartutil.DefaultCapabilities.Copy()
	v, err := chartutil.ParseKubeVersion(cmp.Or(o.KubeVersion, DefaultKubeVersion))
	if err != nil {
		return nil, fmt.Errorf("Options.KubeVersion: %w", err)
	}
	caps.KubeVersion = *v
	caps.APIVersions = append(slices.Clone(caps.APIVersions), o.APIVersions...)
	return caps, nil
}

func renderFiles(ctx context.Context, c *Chart, processed *chart.Chart, top chartutil.Values, o Options) (map[string]string, error) {
	all := sources(processed)
	set, err := c.parsed.get(c.ref(), all)
	if err != nil {
		return nil, err
	}
	limit := orDuration(o.Limits.Time, 30*time.Second)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("templates ran longer than %s", limit))
	defer cancel()
	inst, err := set.instance()
	if err != nil {
		return nil, templateError(c.ref(), "", err)
	}
	inst.b = &budget{ctx: ctx, most: orInt(o.Limits.ValueSize, 32<<20), left: orInt(o.Limits.TotalSize, 1<<30), maxLength: maxNumber}
	inst.included, inst.lookup = map[string]int{}, o.Lookup
	owners := map[string]source{}
	for _, s := range all {
		owners[s.name] = s
	}
	scopes := map[*chart.Chart]map[string]any{}
	scope(processed, top, scopes)
	files, err := set.execute(c.ref(), inst, func(name string) map[string]any {
		s := owners[name]
		vals := scopes[s.owner]
		vals["Template"] = chartutil.Values{"Name": name, "BasePath": s.base}
		return vals
	})
	inst.b, inst.included, inst.lookup = nil, nil, nil
	set.pool.Put(inst)
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return nil, &Error{Op: "template", Ref: c.ref(), Err: ctx.Err()}
	}
	return files, err
}

func orInt(v, def int) int {
	if v <= 0 {
		return def
	}
	return v
}

func orDuration(v, def time.Duration) time.Duration {
	if v <= 0 {
		return def
	}
	return v
}

// scope makes the top-level values of a chart and its subcharts.
func scope(c *chart.Chart, vals map[string]any, scopes map[*chart.Chart]map[string]any) map[string]any {
	subs := map[string]any{}
	own := map[string]any{
		"Chart": struct {
			chart.Metadata
			IsRoot bool
		}{*c.Metadata, c.IsRoot()},
		"Files":        newFiles(c.Files),
		"Release":      vals["Release"],
		"Capabilities": vals["Capabilities"],
		"Values":       make(chartutil.Values),
		"Subcharts":    subs,
	}
	if c.IsRoot() {
		own["Values"] = vals["Values"]
	} else if v, err := chartutil.Values(vals).Table("Values." + c.Name()); err == nil {
		own["Values"] = v
	}
	for _, sub := range c.Dependencies() {
		subs[sub.Name()] = scope(sub, own, scopes)
	}
	scopes[c] = own
	return own
}

const notesFile = "NOTES.txt"

// takeNotes removes the notes from the files.
func takeNotes(c *chart.Chart, files map[string]string, sub bool) string {
	var notes []string
	for _, name := range slices.Sorted(mapsKeys(files)) {
		if !strings.HasSuffix(name, notesFile) {
			continue
		}
		if sub || name == path.Join(c.Name(), "templates", notesFile) {
			notes = append(notes, files[name])
		}
		delete(files, name)
	}
	return strings.Join(notes, "\n")
}
