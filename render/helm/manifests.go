package helm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"

	goyaml "go.yaml.in/yaml/v3"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/releaseutil"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// separator splits the output of a template into documents, as Helm does.
var separator = regexp.MustCompile(`(?:^|\s*\n)---\s*`)

type document struct {
	file, text string
	object     *unstructured.Unstructured
}

// sortOut reads the files and puts what they hold where it belongs.
func (c *Chart) sortOut(files map[string]string, out *Rendered) error {
	var docs []document
	for _, file := range slices.Sorted(mapsKeys(files)) {
		for _, text := range splitOutput(files[file]) {
			d := document{file: file, text: strings.TrimSpace(text)}
			if d.text == "" {
				continue
			}
			var err error
			if d.object, err = c.decoded.get(d.text); err != nil {
				return &Error{Op: "template", Ref: c.ref(), File: file, Err: fmt.Errorf("%w: its output: %w", ErrManifest, err)}
			}
			if hook, ok := asHook(d); ok {
				out.addHook(hook)
			} else {
				docs = append(docs, d)
			}
		}
	}
	docs = slices.DeleteFunc(docs, func(d document) bool { return isUnknownHook(d.object) })
	sortByKind(docs)
	var manifest strings.Builder
	for _, d := range docs {
		fmt.Fprintf(&manifest, "---\n# Source: %s\n%s\n", d.file, d.text)
		if d.object != nil {
			out.Objects = append(out.Objects, flat(d.object)...)
		}
	}
	out.Manifest = manifest.String()
	sortHooks(out.Hooks)
	sortHooks(out.Tests)
	return nil
}

func splitOutput(text string) []string {
	text = strings.TrimSpace(text)
	if !strings.Contains(text, "---") {
		return []string{text}
	}
	return separator.Split(text, -1)
}

// flat expands a List into its items.
func flat(o *unstructured.Unstructured) []*unstructured.Unstructured {
	if !o.IsList() {
		return []*unstructured.Unstructured{o}
	}
	var out []*unstructured.Unstructured
	_ = o.EachListItem(func(item runtimeObject) error { // the callback has no error
		if u, ok := item.(*unstructured.Unstructured); ok {
			out = append(out, u)
		}
		return nil
	})
	return out
}

// installOrder gives each kind its place.
var installOrder = func() map[string]int {
	out := map[string]int{}
	for i, kind := range releaseutil.InstallOrder {
		out[kind] = i
	}
	return out
}()

func place(kind string) int {
	if i, ok := installOrder[kind]; ok {
		return i
	}
	return len(installOrder)
}

// sortByKind orders as Helm installs: by kind, kinds it does not know last and by
// name.
func sortByKind(docs []document) {
	kind := func(d document) string {
		if d.object == nil {
			return ""
		}
		return d.object.GetKind()
	}
	sort.SliceStable(docs, func(i, j int) bool {
		a, b := kind(docs[i]), kind(docs[j])
		if place(a) == len(installOrder) && place(b) == len(installOrder) {
			return a < b
		}
		return place(a) < place(b)
	})
}

func isUnknownHook(o *unstructured.Unstructured) bool {
	return o != nil && o.GetAnnotations()[release.HookAnnotation] != ""
}

// asHook reads the hook annotations. ok is false for what is no hook, and for one
// with an event that Helm does not know, which Helm drops.
func asHook(d document) (Hook, bool) {
	if d.object == nil {
		return Hook{}, false
	}
	a := d.object.GetAnnotations()
	if a[release.HookAnnotation] == "" {
		return Hook{}, false
	}
	h := Hook{Object: d.object, Path: d.file}
	for e := range strings.SplitSeq(a[release.HookAnnotation], ",") {
		e = strings.ToLower(strings.TrimSpace(e))
		if e == "test-success" {
			e = "test"
		}
		if !slices.Contains(hookEvents, e) {
			return Hook{}, false
		}
		h.Events = append(h.Events, e)
	}
	h.Weight, _ = strconv.Atoi(a[release.HookWeightAnnotation])
	if policies := a[release.HookDeleteAnnotation]; policies != "" {
		for p := range strings.SplitSeq(policies, ",") {
			h.DeletePolicies = append(h.DeletePolicies, strings.ToLower(strings.TrimSpace(p)))
		}
	}
	return h, true
}

var hookEvents = []string{
	"pre-install", "post-install", "pre-delete", "post-delete", "pre-upgrade", "post-upgrade",
	"pre-rollback", "post-rollback", "test",
}

func (r *Rendered) addHook(h Hook) {
	if slices.Contains(h.Events, "test") {
		r.Tests = append(r.Tests, h)
	}
	if slices.ContainsFunc(h.Events, func(e string) bool { return e != "test" }) {
		r.Hooks = append(r.Hooks, h)
	}
}

func sortHooks(hooks []Hook) {
	sort.SliceStable(hooks, func(i, j int) bool {
		a, b := hooks[i], hooks[j]
		if a.Weight != b.Weight {
			return a.Weight < b.Weight
		}
		if ka, kb := place(a.Object.GetKind()), place(b.Object.GetKind()); ka != kb {
			return ka < kb
		}
		return a.Object.GetName() < b.Object.GetName()
	})
}

// crds reads the folders crds/ of the chart and of the subcharts that are left.
func crds(c *Chart, processed *chart.Chart) ([]*unstructured.Unstructured, error) {
	var out []*unstructured.Unstructured
	for _, crd := range processed.CRDObjects() {
		for _, text := range splitOutput(string(crd.File.Data)) {
			obj, err := c.decoded.get(strings.TrimSpace(text))
			if err != nil {
				return nil, &Error{Op: "template", Ref: c.ref(), File: path.Join(crd.Filename), Err: fmt.Errorf("%w: %w", ErrManifest, err)}
			}
			if obj != nil && obj.GetKind() == "CustomResourceDefinition" {
				out = append(out, obj)
			}
		}
	}
	return out, nil
}

// decodedCache keeps objects by their text: another rendering gives many of the
// same. It holds what the last two renderings gave.
type decodedCache struct {
	mu       sync.Mutex
	now, old map[string]*unstructured.Unstructured
	bytes    int
}

const maxDecoded = 32 << 20

// get decodes text, or returns a copy of what it gave before. Text without
// content gives nil.
func (d *decodedCache) get(text string) (*unstructured.Unstructured, error) {
	d.mu.Lock()
	obj, ok := d.now[text]
	if !ok {
		if obj, ok = d.old[text]; ok {
			d.keep(text, obj)
		}
	}
	d.mu.Unlock()
	if ok {
		return obj.DeepCopy(), nil
	}
	obj, err := decode(text)
	if err != nil || obj == nil {
		return nil, err
	}
	d.mu.Lock()
	d.keep(text, obj)
	d.mu.Unlock()
	return obj.DeepCopy(), nil
}

func (d *decodedCache) keep(text string, obj *unstructured.Unstructured) {
	if d.now == nil || d.bytes > maxDecoded {
		d.now, d.old, d.bytes = map[string]*unstructured.Unstructured{}, d.now, 0
	}
	d.now[text] = obj
	d.bytes += len(text)
}

func decode(text string) (*unstructured.Unstructured, error) {
	if bounded(text) != nil {
		return nil, bounded(text)
	}
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if string(data) == "null" {
		return nil, nil
	}
	obj := &unstructured.Unstructured{}
	if err := obj.UnmarshalJSON(data); err != nil {
		return nil, errors.New("it has no kind or is no object")
	}
	return obj, nil
}

// bounded refuses aliases, which multiply.
func bounded(text string) error {
	if !strings.Contains(text, "*") || !strings.Contains(text, "&") {
		return nil
	}
	var doc goyaml.Node
	if err := goyaml.NewDecoder(bytes.NewReader([]byte(text))).Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return nil //nolint:nilerr // reported by the decoding
	}
	var aliases int
	var count func(n *goyaml.Node)
	count = func(n *goyaml.Node) {
		if n.Kind == goyaml.AliasNode {
			aliases++
		}
		for _, child := range n.Content {
			count(child)
		}
	}
	count(&doc)
	if aliases > 1000 {
		return limited("more than 1000 YAML aliases")
	}
	return nil
}
