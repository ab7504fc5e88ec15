package ssa_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
)

// unusable are objects that can't be applied, and what the error says of them.
var unusable = map[string]struct {
	manifest string
	is       error
	says     string
}{
	"generateName":                {"apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: x-, namespace: NS}", ssa.ErrInvalid, "set metadata.name"},
	"no name":                     {"apiVersion: v1\nkind: ConfigMap\nmetadata: {namespace: NS}", ssa.ErrInvalid, "metadata.name is missing"},
	"no kind":                     {"apiVersion: v1\nmetadata: {name: x, namespace: NS}", ssa.ErrInvalid, "kind is missing"},
	"no apiVersion":               {"kind: ConfigMap\nmetadata: {name: x, namespace: NS}", ssa.ErrInvalid, "apiVersion is missing"},
	"no namespace":                {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}", ssa.ErrInvalid, "metadata.namespace is missing"},
	"labels that are no map":      {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: labels, namespace: NS, labels: [a]}", ssa.ErrInvalid, "metadata.labels"},
	"an unknown kind":             {"apiVersion: example.com/v1\nkind: Unheard\nmetadata: {name: x, namespace: NS}", ssa.ErrUnknownKind, "install its CustomResourceDefinition"},
	"an unknown version":          {"apiVersion: apps/v1beta1\nkind: Deployment\nmetadata: {name: x, namespace: NS}", ssa.ErrUnknownKind, "serves version v1"},
	"an unknown field":            {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: field, namespace: NS}\ndate: {a: b}", ssa.ErrInvalid, "date"},
	"a Secret that is not base64": {"apiVersion: v1\nkind: Secret\nmetadata: {name: x, namespace: NS}\ndata: {a.b: hidden!}", ssa.ErrInvalid, "data.a.b is not base64"},
	"a Secret of numbers":         {"apiVersion: v1\nkind: Secret\nmetadata: {name: x, namespace: NS}\nstringData: {a: 12345}", ssa.ErrInvalid, "quote it"},
	"a Secret whose data is text": {"apiVersion: v1\nkind: Secret\nmetadata: {name: x, namespace: NS}\ndata: hidden", ssa.ErrInvalid, "data is not a map"},
	"a missing namespace":         {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: NS-none}", ssa.ErrNamespaceMissing, "NS-none"},
	"a wrong dependency":          {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: depends, namespace: NS, annotations: {config.kubernetes.io/depends-on: nonsense}}", ssa.ErrInvalid, "nonsense"},
	"a dependency on itself":      {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: self, namespace: NS, annotations: {config.kubernetes.io/depends-on: /namespaces/NS/ConfigMap/self}}", ssa.ErrCycle, "depends on itself"},
	"an object over 1 MiB":        {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: large, namespace: NS}\ndata: {a: " + strings.Repeat("x", 1<<20+1) + "}", ssa.ErrInvalid, "1048576 bytes"},
	"an object over 1.5 MiB":      {"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: large, namespace: NS}\nspec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: c, env: [{name: A, value: " + strings.Repeat("x", 2<<20) + "}]}]}}}", ssa.ErrInvalid, "larger than max"},
	"an object over all limits":   {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: larger, namespace: NS}\ndata: {a: " + strings.Repeat("x", 4<<20) + "}", ssa.ErrInvalid, "large"},
}

func TestUnusableObject(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	names := slices.Sorted(maps.Keys(unusable))
	var set []*unstructured.Unstructured
	for _, name := range names {
		set = append(set, c.objects(unusable[name].manifest)...)
	}
	opts := ssa.ApplyOptions{Inventory: &inventory.Memory{}, ContinueOnError: true, Origin: func(*unstructured.Unstructured) string { return "set.yaml" }}
	res, err := c.applier.Apply(t.Context(), append(set, nil), opts)
	if err == nil || res.Changed() || res.Inventory.Len() > 0 || len(res.Failed()) != len(names)+1 {
		t.Fatalf("%s, err = %v", res.Summary(), err)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			tc := unusable[name]
			says := strings.ReplaceAll(tc.says, "NS", c.ns)
			for _, o := range res.Objects {
				if errors.Is(o.Err, tc.is) && strings.Contains(o.Err.Error(), says) {
					if text := o.Err.Error(); strings.Contains(text, "hidden") || len(text) > 2000 || !strings.Contains(text, "set.yaml") {
						t.Errorf("%.300s", text)
					}
					return
				}
			}
			t.Errorf("no error of this kind says %q in %.3000s", says, err.Error())
		})
	}
}

func TestListsAreAppliedAsWhatTheyContain(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	opts := ssa.ApplyOptions{Inventory: &inventory.Memory{}, Prune: true}
	list := `
apiVersion: v1
kind: List
items:
- {apiVersion: NS.example.com/v1, kind: Price, metadata: {name: p}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: one, namespace: NS}}
- apiVersion: v1
  kind: ConfigMapList
  items:
  - {metadata: {name: two, namespace: NS}}
  - {apiVersion: v1, kind: Secret, metadata: {name: three, namespace: NS}}
- apiVersion: apiextensions.k8s.io/v1
  kind: CustomResourceDefinition
  metadata: {name: prices.NS.example.com}
  spec: {group: NS.example.com, scope: Cluster, names: {kind: Price, plural: prices}, versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, properties: {items: {type: array, items: {type: object, properties: {a: {type: string}}}}}}}}]}
`
	t.Cleanup(func() { c.cleanUp(opts) })
	set := c.objects(list)
	before := set[0].DeepCopy()
	res, err := c.applier.Apply(t.Context(), set, opts)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"Price/p": "create", "ConfigMap/one": "create", "ConfigMap/two": "create", "Secret/three": "create", "CustomResourceDefinition/prices." + c.ns + ".example.com": "create"}
	if d := cmp.Diff(want, actions(res)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(before, set[0]); d != "" {
		t.Errorf("the caller's object was changed: %s", d)
	}
	if _, err := c.apply(opts, "apiVersion: v1\nkind: List\nitems: [text]"); !errors.Is(err, ssa.ErrInvalid) {
		t.Errorf("a list of something else: %v", err)
	}
}

func TestTheSameObjectTwice(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	if res := c.mustApply(ssa.ApplyOptions{}, configB, configB); len(res.Objects) != 1 {
		t.Errorf("with the same content: %v", res.Objects)
	}
	where := map[string]string{"b": "first.yaml", "other": "second.yaml"}
	origin := func(u *unstructured.Unstructured) string {
		key, _, _ := unstructured.NestedString(u.Object, "data", "key")
		return where[key]
	}
	_, err := c.apply(ssa.ApplyOptions{Origin: origin}, configB, strings.Replace(configB, "key: b", "key: other", 1))
	if !errors.Is(err, ssa.ErrInvalid) || !strings.Contains(err.Error(), "twice") || !strings.Contains(err.Error(), "first.yaml") || !strings.Contains(err.Error(), "second.yaml") {
		t.Errorf("with another content: %v", err)
	}
}

func TestInvalidObjectsStayInTheInventory(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Prune: true, ContinueOnError: true}
	c.mustApply(opts, configA, configB)
	for reason, bad := range map[string]string{
		"refused by the API server": strings.Replace(configB, "data: {key: b}", "data: [1]", 1),
		"not even sent":             strings.Replace(configB, "metadata: {", "metadata: {labels: [x], ", 1),
	} {
		opts.OwnerLabels = map[string]string{"owner": "us"}
		res, err := c.apply(opts, configA, bad)
		if !errors.Is(err, ssa.ErrInvalid) || res.Inventory.Len() != 2 || c.get(configMaps, "b") == nil {
			t.Errorf("%s: inventory %v, err = %v", reason, res.Inventory.Entries(), err)
		}
	}
}
