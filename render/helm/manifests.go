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

// document is one document of a template's output. Its object is decoded when it
// is asked for, or at once where its text does not tell its kind plainly.
type document struct {
	file, text, kind string
}

// sortOut splits the files and puts what they hold where it belongs.
func (c *Chart) sortOut(files map[string]string, out *Rendered) error {
	for _, file := range slices.Sorted(mapsKeys(files)) {
		for _, text := range splitOutput(files[file]) {
			d := document{file: file, text: strings.TrimSpace(text)}
			if d.text == "" {
				continue
			}
			if err := c.sortDocument(d, out); err != nil {
				return err
			}
		}
	}
	sortByKind(out.docs)
	var manifest strings.Builder
	for _, d := range out.docs {
		manifest.WriteString("---\n# Source: " + d.file + "\n" + d.text + "\n")
	}
	out.Manifest, out.chart = manifest.String(), c
	sortHooks(out.Hooks)
	sortHooks(out.Tests)
	return nil
}

func (c *Chart) sortDocument(d document, out *Rendered) error {
	var plain bool
	if d.kind, plain = plainKind(d.text); plain {
		out.docs = append(out.docs, d)
		return nil
	}
	obj, err := c.decode(d)
	if err != nil {
		return err
	}
	if obj == nil { // only comments, which Helm keeps
		out.docs = append(out.docs, d)
		return nil
	}
	d.kind = obj.GetKind()
	if hook, ok := asHook(d.file, obj); ok {
		out.addHook(hook)
	} else if obj.GetAnnotations()[release.HookAnnotation] == "" {
		out.docs = append(out.docs, d)
	}
	return nil
}

// plainKind finds the kind of a document in block style by its text alone. ok is
// false where there is any doubt, and for what may be a hook.
func plainKind(text string) (kind string, ok bool) {
	if strings.Contains(text, "helm.sh/hook") || strings.ContainsRune(text, '\t') {
		return "", false
	}
	for line := range strings.SplitSeq(text, "\n") {
		if line == "" || line[0] == ' ' || line[0] == '#' || line[0] == '-' {
			continue
		}
		if line[0] == '{' || line[0] == '"' || line[0] == '\'' || line[0] == '?' || line[0] == '%' {
			return "", false
		}
		if v, found := strings.CutPrefix(line, "kind:"); found {
			if kind != "" {
				return "", false
			}
			kind = strings.TrimSpace(v)
		}
	}
	return kind, isName.MatchString(kind)
}

var isName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*$`)

func (c *Chart) decode(d document) (*unstructured.Unstructured, error) {
	obj, err := c.decoded.get(d.text)
	if err != nil {
		return nil, &Error{Op: "template", Ref: c.ref(), File: d.file, Err: fmt.Errorf("%w: its output: %w", ErrManifest, err)}
	}
	return obj, nil
}

// Objects decodes what is to be installed, in its order. The objects belong to the
// caller; each call decodes anew. It fails with ErrManifest, naming the template,
// where one gave no YAML or no object.
func (r *Rendered) Objects() ([]*unstructured.Unstructured, error) {
	var out []*unstructured.Unstructured
	if r.changed {
		for _, o := range r.objects {
			out = append(out, o.DeepCopy())
		}
		return out, nil
	}
	for _, d := range r.docs {
		obj, err := r.chart.decode(d)
		if err != nil {
			return nil, err
		}
		if obj != nil {
			out = append(out, flat(obj)...)
		}
	}
	return out, nil
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
	sort.SliceStable(docs, func(i, j int) bool {
		a, b := docs[i].kind, docs[j].kind
		if place(a) == len(installOrder) && place(b) == len(installOrder) {
			return a < b
		}
		return place(a) < place(b)
	})
}

// asHook reads the hook annotations. ok is false for what is no hook, and for one
// with an event that Helm does not know, which Helm drops.
func asHook(file string, obj *unstructured.Unstructured) (Hook, bool) {
	a := obj.GetAnnotations()
	if a[release.HookAnnotation] == "" {
		return Hook{}, false
	}
	h := Hook{Object: obj, Path: file}
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
