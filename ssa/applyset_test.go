package ssa_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitopskit/gitopskit/internal/testcluster"
	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
)

// kubectlApply runs 'kubectl apply --prune --applyset=…'.
func (c *cluster) kubectlApply(t *testing.T, parent string, manifests ...string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "set.yaml")
	text := strings.ReplaceAll(strings.Join(manifests, "\n---\n"), "NS", c.ns)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := testcluster.Shared(t).Kubectl(t, "apply", "--prune", "--applyset="+parent, "--namespace="+c.ns, "-f", file)
	cmd.Env = append(os.Environ(), "KUBECTL_APPLYSET=true")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("kubectl: %v\n%s", err, out)
	}
}

func (c *cluster) applySet(t *testing.T, opts inventory.ApplySetOptions) *inventory.ApplySet {
	t.Helper()
	s, err := inventory.NewApplySet(c.cfg, c.ns, "set", opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func named(manifest, from, to string) string {
	return strings.Replace(manifest, "name: "+from, "name: "+to, 1)
}

var configMapKind = schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}

func TestApplySetIsTakenOverFromKubectlAndGivenBack(t *testing.T) {
	t.Parallel()
	for parent, gvk := range map[string]schema.GroupVersionKind{"set": {}, "configmaps/set": configMapKind} {
		t.Run(parent, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, ssa.Options{TakeOver: []string{"kubectl*"}})
			c.kubectlApply(t, parent, configA, configB, web)

			// As long as it is kubectl's we keep out.
			if _, err := c.applySet(t, inventory.ApplySetOptions{Parent: gvk}).Load(t.Context()); !errors.Is(err, inventory.ErrOtherTool) {
				t.Fatalf("err = %v", err)
			}

			// In turn with kubectl: b goes, c comes.
			opts := ssa.ApplyOptions{Prune: true, Inventory: c.applySet(t, inventory.ApplySetOptions{Parent: gvk, Tooling: "kubectl/v1.36.0"})}
			res := c.mustApply(opts, configA, named(configB, "b", "c"), web)
			want := map[string]string{"ConfigMap/a": "update", "ConfigMap/b": "prune", "ConfigMap/c": "create", "Deployment/web": "update"}
			if d := cmp.Diff(want, actions(res)); d != "" {
				t.Fatal(d)
			}

			// And kubectl after us: a and the Deployment go, d comes.
			c.kubectlApply(t, parent, named(configB, "b", "c"), named(configB, "b", "d"))
			for name, there := range map[string]bool{"a": false, "b": false, "c": true, "d": true} {
				if got := c.get(configMaps, name) != nil; got != there {
					t.Errorf("ConfigMap %s is there: %v, want %v", name, got, there)
				}
			}
			if c.get(deployments, "web") != nil {
				t.Error("kubectl did not prune the Deployment")
			}

			// For good: kubectl may not touch it any more.
			opts.Inventory = c.applySet(t, inventory.ApplySetOptions{Parent: gvk, TakeOver: []string{"kubectl"}})
			if res := c.mustApply(opts, named(configB, "b", "d")); res.Count(ssa.Prune) != 1 || c.get(configMaps, "c") != nil {
				t.Errorf("%v", res.Objects)
			}
			cmd := testcluster.Shared(t).Kubectl(t, "apply", "--prune", "--applyset="+parent, "--namespace="+c.ns, "-f", "-")
			cmd.Env, cmd.Stdin = append(os.Environ(), "KUBECTL_APPLYSET=true"), strings.NewReader(strings.ReplaceAll(configA, "NS", c.ns))
			if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "managed by tooling") {
				t.Errorf("kubectl: %v\n%s", err, out)
			}
		})
	}
}

func TestApplySetSpansNamespacesAndKinds(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	other := testcluster.Shared(t).Namespace(t)
	elsewhere := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: far, namespace: " + other + "}\n"
	role := "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: 'NS:reader'}\nrules: []\n"
	opts := ssa.ApplyOptions{Set: "s", Inventory: c.applySet(t, inventory.ApplySetOptions{}), Prune: true}
	c.mustApply(opts, configA, elsewhere, role)

	parent := c.get(schema.GroupVersionResource{Version: "v1", Resource: "secrets"}, "set")
	want := map[string]string{
		"applyset.kubernetes.io/tooling":               "gitopskit/v1",
		"applyset.kubernetes.io/contains-group-kinds":  "ClusterRole.rbac.authorization.k8s.io,ConfigMap",
		"applyset.kubernetes.io/additional-namespaces": other,
	}
	if d := cmp.Diff(want, parent.GetAnnotations()); d != "" {
		t.Error(d)
	}
	// Another process, which knows nothing, owns the same.
	inv, err := c.applySet(t, inventory.ApplySetOptions{}).Load(t.Context())
	if err != nil || inv.Len() != 3 {
		t.Fatalf("%v, %v", inv.Entries(), err)
	}
	for e := range inv.All() {
		if e.UID == "" {
			t.Errorf("%s without UID", e.Ref)
		}
	}
	if res := c.mustApply(opts, configA, elsewhere, role); res.Changed() {
		t.Errorf("a second time: %v", res.Objects)
	}
	if res := c.mustApply(opts); res.Count(ssa.Prune) != 3 {
		t.Errorf("%v", res.Objects)
	}
}

func TestApplySetInCustomResource(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	definition := strings.ReplaceAll(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: bundles.NS.example.com}
spec:
  group: NS.example.com
  scope: Namespaced
  names: {kind: Bundle, plural: bundles, singular: bundle}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
`, "NS", c.ns)
	bundle := "apiVersion: NS.example.com/v1\nkind: Bundle\nmetadata: {name: set, namespace: NS}\n"
	infra := ssa.ApplyOptions{Inventory: &inventory.Memory{}, Prune: true, Wait: true}
	c.mustApply(infra, definition, bundle)
	t.Cleanup(func() { c.cleanUp(infra) })
	opts := ssa.ApplyOptions{Prune: true}
	open := func() *inventory.ApplySet {
		return c.applySet(t, inventory.ApplySetOptions{Parent: schema.GroupVersionKind{Group: c.ns + ".example.com", Version: "v1", Kind: "Bundle"}})
	}
	opts.Inventory = open()
	if _, err := c.apply(opts, configA); err == nil || !strings.Contains(err.Error(), "is-parent-type") {
		t.Fatalf("a kind that is no parent: %v", err)
	}
	c.mustApply(infra, strings.Replace(definition, "metadata: {", `metadata: {labels: {applyset.kubernetes.io/is-parent-type: "true"}, `, 1), bundle)
	opts.Inventory = open()
	c.mustApply(opts, configA, configB)
	opts.Inventory = open()
	if res := c.mustApply(opts, configA); res.Count(ssa.Prune) != 1 {
		t.Errorf("%v", res.Objects)
	}
}

func TestApplySetRefusesWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	mine, other := c.applySet(t, inventory.ApplySetOptions{Parent: configMapKind}), c.applySet(t, inventory.ApplySetOptions{Parent: configMapKind})
	entry := inventory.Entry{Ref: inventory.Ref{Kind: "ConfigMap", Namespace: c.ns, Name: "x"}, Version: "v1"}
	for _, s := range []*inventory.ApplySet{mine, other} {
		if _, err := s.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := other.Save(t.Context(), inventory.New(entry)); err != nil {
		t.Fatal(err)
	}
	if err := other.Save(t.Context(), inventory.New()); err != nil {
		t.Fatal(err)
	}
	stale := c.applySet(t, inventory.ApplySetOptions{Parent: configMapKind})
	if _, err := stale.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := other.Save(t.Context(), inventory.New(entry)); err != nil {
		t.Fatal(err)
	}
	entry.Kind = "Secret"
	if err := stale.Save(t.Context(), inventory.New(entry)); !errors.Is(err, inventory.ErrConflict) {
		t.Errorf("err = %v", err)
	}
	_, err := c.client.Resource(configMaps).Namespace(c.ns).Patch(t.Context(), "set", types.MergePatchType, []byte(`{"metadata":{"labels":{"applyset.kubernetes.io/id":"wrong"}}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mine.Load(t.Context()); !errors.Is(err, inventory.ErrMalformed) {
		t.Errorf("err = %v", err)
	}
	for _, opts := range []inventory.ApplySetOptions{{Tooling: "no-version"}, {Tooling: "/v1"}} {
		if _, err := inventory.NewApplySet(c.cfg, c.ns, "set", opts); err == nil {
			t.Errorf("%+v is taken", opts)
		}
	}
}

// cleanUp removes what a test has made for the whole cluster.
func (c *cluster) cleanUp(opts ssa.ApplyOptions) {
	c.t.Helper()
	opts.Prune = true
	a, err := ssa.New(c.cfg, ssa.Options{})
	if err == nil {
		_, err = a.Apply(context.Background(), []*unstructured.Unstructured{}, opts)
	}
	if err != nil {
		c.t.Error(err)
	}
}
