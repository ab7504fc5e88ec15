package release

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"helm.sh/helm/v3/pkg/action"
	helmrelease "helm.sh/helm/v3/pkg/release"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

// DriftedObject is an object that differs from the release.
type DriftedObject struct {
	Kind, Namespace, Name string
	// Missing says that it is not there.
	Missing bool
	// Fields are the JSON pointers of what differs.
	Fields []string

	want  *unstructured.Unstructured
	patch []byte // a merge patch from live to wanted
}

// driftOptOut is the label or annotation that, with the value "disabled", leaves
// an object out of drift detection.
const driftOptOut = "helm.toolkit.fluxcd.io/driftDetection"

func dynamicFor(g action.RESTClientGetter, apiVersion, kind, namespace string) (dynamic.ResourceInterface, error) {
	cfg, err := g.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	mapper, err := g.ToRESTMapper()
	if err != nil {
		return nil, err
	}
	gvk := schema.FromAPIVersionAndKind(apiVersion, kind)
	mapping, err := mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return nil, err
	}
	client, err := dynamic.NewForConfig(cfg)
	if err != nil {
		return nil, err
	}
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace && namespace != "" {
		return client.Resource(mapping.Resource).Namespace(namespace), nil
	}
	return client.Resource(mapping.Resource), nil
}

// drift compares the release's objects with the live ones, by a server-side dry
// run of each.
func (m *Machine) drift(ctx context.Context, op *operation, s Spec, rel *helmrelease.Release) ([]DriftedObject, error) {
	objects, err := readManifest(rel.Manifest)
	if err != nil {
		return nil, err
	}
	var out []DriftedObject
	var errs []error
	for _, want := range objects {
		if optedOut(want) {
			continue
		}
		d, err := m.driftOf(ctx, op, s, want)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s %s: %w", want.GetKind(), want.GetName(), err))
		}
		if d != nil {
			out = append(out, *d)
		}
	}
	return out, errors.Join(errs...)
}

func optedOut(o *unstructured.Unstructured) bool {
	return o.GetLabels()[driftOptOut] == "disabled" || o.GetAnnotations()[driftOptOut] == "disabled"
}

func (m *Machine) driftOf(ctx context.Context, op *operation, s Spec, want *unstructured.Unstructured) (*DriftedObject, error) {
	namespace := want.GetNamespace()
	if namespace == "" {
		namespace = s.Namespace
	}
	client, err := dynamicFor(op.cfg.RESTClientGetter, want.GetAPIVersion(), want.GetKind(), namespace)
	if err != nil {
		return nil, err
	}
	d := &DriftedObject{Kind: want.GetKind(), Namespace: want.GetNamespace(), Name: want.GetName(), want: want}
	live, err := client.Get(ctx, want.GetName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		d.Missing = true
		return d, nil
	}
	if err != nil || optedOut(live) {
		return nil, err
	}
	d.Namespace = live.GetNamespace()
	dry, err := client.Apply(ctx, want.GetName(), want, metav1.ApplyOptions{FieldManager: m.manager, Force: true, DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return nil, err
	}
	return d.compare(live, dry, s.Drift.Ignore)
}

// compare fills in the difference of two objects; nil means that there is none.
func (d *DriftedObject) compare(live, dry *unstructured.Unstructured, ignore []DriftIgnore) (*DriftedObject, error) {
	a, b := comparable(live, ignore), comparable(dry, ignore)
	if a == nil {
		return nil, nil
	}
	from, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	to, err := json.Marshal(b)
	if err != nil {
		return nil, err
	}
	if d.patch, err = jsonpatch.CreateMergePatch(from, to); err != nil || string(d.patch) == "{}" {
		return nil, err
	}
	var diff any
	if err := json.Unmarshal(d.patch, &diff); err != nil {
		return nil, err
	}
	d.Fields = pointers(diff, "")
	slices.Sort(d.Fields)
	return d, nil
}

// comparable is an object without what the server owns and what is ignored; nil
// if all of it is.
func comparable(o *unstructured.Unstructured, ignore []DriftIgnore) map[string]any {
	c := o.DeepCopy()
	delete(c.Object, "status")
	for _, f := range []string{"managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink"} {
		unstructured.RemoveNestedField(c.Object, "metadata", f)
	}
	for _, rule := range ignore {
		if !rule.Target.matches(o) {
			continue
		}
		for _, p := range rule.Paths {
			if p == "" {
				return nil
			}
			remove(c.Object, strings.Split(strings.TrimPrefix(p, "/"), "/"))
		}
	}
	return c.Object
}

// remove deletes what a JSON pointer means; elements of lists become null, so
// that the others keep their places.
func remove(v any, path []string) {
	key := strings.NewReplacer("~1", "/", "~0", "~").Replace(path[0])
	switch v := v.(type) {
	case map[string]any:
		if len(path) == 1 {
			delete(v, key)
			return
		}
		remove(v[key], path[1:])
	case []any:
		var i int
		if _, err := fmt.Sscanf(key, "%d", &i); err != nil || i < 0 || i >= len(v) {
			return
		}
		if len(path) == 1 {
			v[i] = nil
			return
		}
		remove(v[i], path[1:])
	}
}

func pointers(v any, at string) []string {
	m, ok := v.(map[string]any)
	if !ok || len(m) == 0 {
		return []string{at}
	}
	var out []string
	for k, child := range m {
		out = append(out, pointers(child, at+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(k))...)
	}
	return out
}

func (t *Target) matches(o *unstructured.Unstructured) bool {
	if t == nil {
		return true
	}
	gvk := o.GroupVersionKind()
	for pattern, v := range map[*string]string{
		&t.Group: gvk.Group, &t.Version: gvk.Version, &t.Kind: gvk.Kind, &t.Namespace: o.GetNamespace(), &t.Name: o.GetName(),
	} {
		if *pattern == "" {
			continue
		}
		if re, err := regexp.Compile("^(?:" + *pattern + ")$"); err != nil || !re.MatchString(v) {
			return false
		}
	}
	return selects(t.LabelSelector, o.GetLabels()) && selects(t.AnnotationSelector, o.GetAnnotations())
}

func selects(selector string, set map[string]string) bool {
	s, err := labels.Parse(selector)
	return err == nil && s.Matches(labels.Set(set))
}

// correct puts drifted objects right, namespaces first, and goes on where one
// fails.
func (m *Machine) correct(ctx context.Context, op *operation, s Spec, drifted []DriftedObject) error {
	sorted := slices.Clone(drifted)
	slices.SortStableFunc(sorted, func(a, b DriftedObject) int {
		rank := map[bool]int{true: 0, false: 1}
		return rank[a.Kind == "Namespace"] - rank[b.Kind == "Namespace"]
	})
	var errs []error
	for _, d := range sorted {
		namespace := d.want.GetNamespace()
		if namespace == "" {
			namespace = s.Namespace
		}
		client, err := dynamicFor(op.cfg.RESTClientGetter, d.want.GetAPIVersion(), d.Kind, namespace)
		if err == nil {
			if d.Missing {
				_, err = client.Create(ctx, owned(d.want, s), metav1.CreateOptions{FieldManager: m.manager})
			} else {
				_, err = client.Patch(ctx, d.Name, types.MergePatchType, d.patch, metav1.PatchOptions{FieldManager: m.manager})
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s %s: %w", d.Kind, d.Name, err))
		}
	}
	return errors.Join(errs...)
}

// owned is an object with the marks that Helm puts on what it creates.
func owned(o *unstructured.Unstructured, s Spec) *unstructured.Unstructured {
	c := o.DeepCopy()
	l, a := c.GetLabels(), c.GetAnnotations()
	if l == nil {
		l = map[string]string{}
	}
	if a == nil {
		a = map[string]string{}
	}
	l["app.kubernetes.io/managed-by"] = "Helm"
	a["meta.helm.sh/release-name"], a["meta.helm.sh/release-namespace"] = s.Name, s.Namespace
	c.SetLabels(l)
	c.SetAnnotations(a)
	return c
}
