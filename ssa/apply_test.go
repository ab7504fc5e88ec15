package ssa_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
)

var getOptions = metav1.GetOptions{}

func isNotFound(err error) bool { return apierrors.IsNotFound(err) }

const configA = `
apiVersion: v1
kind: ConfigMap
metadata: {name: a, namespace: NS, labels: {app: web}, annotations: {note: hello}}
data: {key: one, other: two}
`

const configB = `
apiVersion: v1
kind: ConfigMap
metadata: {name: b, namespace: NS}
data: {key: b}
`

const web = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NS}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "web:1", ports: [{containerPort: 8080}]}
`

func actions(res *ssa.Result) map[string]string {
	out := map[string]string{}
	for _, o := range res.Objects {
		out[o.Ref.Kind+"/"+o.Ref.Name] = string(o.Action)
	}
	return out
}

func TestApplyCreatesUpdatesAndPrunes(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Prune: true, Diff: true}

	first := c.mustApply(opts, configA, configB, web)
	want := map[string]string{"ConfigMap/a": "create", "ConfigMap/b": "create", "Deployment/web": "create"}
	if diff := cmp.Diff(want, actions(first)); diff != "" {
		t.Fatal(diff)
	}

	second := c.mustApply(opts, strings.Replace(configA, "one", "changed", 1), web)
	want = map[string]string{"ConfigMap/a": "update", "ConfigMap/b": "prune", "Deployment/web": "unchanged"}
	if diff := cmp.Diff(want, actions(second)); diff != "" {
		t.Fatal(diff)
	}
	if diff := cmp.Diff([]ssa.Change{{Path: "data.key", Old: "one", New: "changed"}}, second.Objects[0].Diff); diff != "" {
		t.Error(diff)
	}
	if got := c.field(configMaps, "a", "data", "key"); got != "changed" {
		t.Errorf("data.key = %q", got)
	}
	if c.get(configMaps, "b") != nil {
		t.Error("b was not pruned")
	}
	if second.Inventory.Len() != 2 {
		t.Errorf("inventory has %d entries, want 2", second.Inventory.Len())
	}
}

func TestApplyTwiceChangesNothingAndAsksOnlyForMetadata(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Prune: true}
	c.mustApply(opts, configA, configB, web)
	rv := c.get(configMaps, "a").GetResourceVersion()
	c.take()
	res := c.mustApply(opts, configA, configB, web)
	if n := res.Count(ssa.Unchanged); n != 3 {
		t.Errorf("%d unchanged, want 3: %v", n, res.Objects)
	}
	for _, req := range c.take() {
		if !strings.HasPrefix(req, "GET ") && !strings.Contains(req, "dryRun=All") {
			t.Errorf("writes: %s", req)
		}
	}
	if got := c.get(configMaps, "a").GetResourceVersion(); got != rv {
		t.Errorf("resourceVersion went from %s to %s", rv, got)
	}
}

func TestApplyWhileWatchingCostsNoRequestWhenNothingChanged(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	drifts := c.watching()
	opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Prune: true}
	c.mustApply(opts, configA, configB, web)
	eventually(t, "no requests", func() bool {
		c.take()
		res := c.mustApply(opts, configA, configB, web)
		return len(c.take()) == 0 && res.Count(ssa.Unchanged) == 3
	})
	for len(drifts) > 0 {
		if d := <-drifts; d.Ref.Kind == "ConfigMap" {
			t.Errorf("unexpected drift: %+v", d)
		}
	}
}

func TestWatchReportsDriftAndApplyRevertsIt(t *testing.T) {
	t.Parallel()
	patches := []struct {
		reason, kind, patch string
		path                []string
		want                string
	}{
		{"value changed", "cm", `{"data":{"key":"drifted"}}`, []string{"data", "key"}, "one"},
		{"value removed", "cm", `{"data":{"key":null}}`, []string{"data", "key"}, "one"},
		{"label changed", "cm", `{"metadata":{"labels":{"app":"drifted"}}}`, []string{"metadata", "labels", "app"}, "web"},
		{"annotation removed", "cm", `{"metadata":{"annotations":{"note":null}}}`, []string{"metadata", "annotations", "note"}, "hello"},
	}
	c := newCluster(t, ssa.Options{})
	drifts := c.watching()
	opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Diff: true}
	c.mustApply(opts, configA)
	eventually(t, "in sync by watch", func() bool {
		c.take()
		c.mustApply(opts, configA)
		return len(c.take()) == 0
	})
	for _, p := range patches {
		t.Run(p.reason, func(t *testing.T) {
			_, err := c.client.Resource(configMaps).Namespace(c.ns).Patch(t.Context(), "a", types.MergePatchType, []byte(p.patch), metav1.PatchOptions{FieldManager: "somebody"})
			if err != nil {
				t.Fatal(err)
			}
			want := ssa.Drift{Set: "s", Ref: inventory.Ref{Kind: "ConfigMap", Namespace: c.ns, Name: "a"}, Change: ssa.Modified}
			if diff := cmp.Diff(want, <-drifts); diff != "" {
				t.Fatal(diff)
			}
			c.mustApply(opts, configA)
			if got := c.field(configMaps, "a", p.path...); got != p.want {
				t.Errorf("%v = %q, want %q", p.path, got, p.want)
			}
		})
	}
	t.Run("object deleted", func(t *testing.T) {
		if err := c.client.Resource(configMaps).Namespace(c.ns).Delete(t.Context(), "a", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		if d := <-drifts; d.Change != ssa.Deleted {
			t.Errorf("drift = %+v", d)
		}
		res := c.mustApply(opts, configA)
		if res.Objects[0].Action != ssa.Create {
			t.Errorf("action = %s", res.Objects[0].Action)
		}
	})
}

// Finalizers and owner references are fields as all others.
func TestWatchReportsDriftOfMetadata(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	drifts := c.watching()
	opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}}
	c.mustApply(ssa.ApplyOptions{}, configA)
	held := strings.Replace(configB, "namespace: NS", "namespace: NS, finalizers: [example.com/hold], ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: a, uid: "+string(c.get(configMaps, "a").GetUID())+"}]", 1)
	c.mustApply(opts, held)
	defer c.patchConfigMap("b", `{"metadata":{"finalizers":null}}`)
	for _, field := range []string{"finalizers", "ownerReferences"} {
		t.Run(field, func(t *testing.T) {
			eventually(t, "in sync by watch", func() bool {
				c.take()
				c.mustApply(opts, held)
				return len(c.take()) == 0
			})
			c.patchConfigMap("b", `{"metadata":{"`+field+`":null}}`)
			if d := <-drifts; d.Ref.Name != "b" || d.Change != ssa.Modified {
				t.Errorf("drift = %+v", d)
			}
			c.mustApply(opts, held)
			if c.get(configMaps, "b").Object["metadata"].(map[string]any)[field] == nil {
				t.Error("it was not put back")
			}
		})
	}
}

// Many are read by one list, or one by one by an account that may not list.
func TestObjectsInManyNamespaces(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	var set []string
	for i := range 6 {
		ns := "NS-" + strconv.Itoa(i)
		set = append(set, "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+ns+"}", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: "+ns+"}")
	}
	set = append(set,
		rbac+"kind: ClusterRole\nmetadata: {name: NS}\nrules: [{apiGroups: ['', rbac.authorization.k8s.io], resources: ['*'], verbs: [get, patch, create]}]",
		rbac+"kind: ClusterRoleBinding\nmetadata: {name: NS}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: NS}\nsubjects: [{kind: User, name: NS}]")
	opts := ssa.ApplyOptions{Inventory: &inventory.Memory{}, Prune: true}
	t.Cleanup(func() { c.cleanUp(opts) })
	c.mustApply(opts, set...)
	c.take()
	if res := c.mustApply(opts, set...); res.Changed() {
		t.Errorf("%v", res.Objects)
	}
	reads := 0
	for _, req := range c.take() {
		if strings.HasPrefix(req, "GET ") && strings.Contains(req, "/configmaps?") {
			reads++
		}
	}
	if reads != 1 {
		t.Errorf("%d lists of ConfigMaps, want one", reads)
	}
	limited, err := c.applier.As(rest.ImpersonationConfig{UserName: c.ns})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the account has its rights", func() bool {
		var res *ssa.Result
		if res, err = limited.Apply(t.Context(), c.objects(set[:12]...), ssa.ApplyOptions{}); err == nil && res.Count(ssa.Unchanged) != 12 {
			t.Fatalf("%v", res.Objects)
		}
		return !errors.Is(err, ssa.ErrForbidden)
	})
	if err != nil {
		t.Error(err)
	}
}

func TestKindThatIsDefinedWhileTheApplierRuns(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	gadget := "apiVersion: NS.example.com/v1\nkind: Gadget\nmetadata: {name: g}"
	if _, err := c.apply(ssa.ApplyOptions{}, gadget); !errors.Is(err, ssa.ErrUnknownKind) {
		t.Fatalf("err = %v", err)
	}
	other := newCluster(t, ssa.Options{}) // somebody else defines it
	infra := ssa.ApplyOptions{Inventory: &inventory.Memory{}, Wait: true}
	definition := "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: gadgets.GROUP}\nspec: {group: GROUP, scope: Cluster, names: {kind: Gadget, plural: gadgets}, versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]}"
	other.mustApply(infra, strings.ReplaceAll(definition, "GROUP", c.ns+".example.com"))
	t.Cleanup(func() { other.cleanUp(infra) })
	eventually(t, "the kind is known", func() bool {
		res, err := c.apply(ssa.ApplyOptions{}, gadget)
		return err == nil && res.Count(ssa.Create) == 1
	})
}

func TestApplyWritesNothingIfOneObjectIsInvalid(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	inv := &inventory.Memory{}
	bad := strings.Replace(web, "replicas: 2", "replicas: two", 1)
	worse := strings.Replace(configB, "data: {key: b}", "data: {key: [b]}\nsurprise: true", 1)
	unknown := "apiVersion: example.com/v1\nkind: Unheard\nmetadata: {name: u, namespace: NS}"
	res, err := c.apply(ssa.ApplyOptions{Inventory: inv}, configA, bad, worse, unknown)
	if !errors.Is(err, ssa.ErrInvalid) {
		t.Fatalf("err = %v", err)
	}
	if !errors.Is(err, ssa.ErrUnknownKind) {
		t.Errorf("the unknown kind is not told at the same time: %v", err)
	}
	for _, want := range []string{"Deployment/" + c.ns + "/web", "spec.replicas", "ConfigMap/" + c.ns + "/b"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not name %s: %v", want, err)
		}
	}
	if c.get(configMaps, "a") != nil || res.Changed() {
		t.Errorf("a was written, or said to be: %v", res.Objects)
	}
	stored, _ := inv.Load(t.Context())
	if stored.Len() != 0 || len(res.Failed()) != 3 {
		t.Errorf("inventory %v, failed %v", stored.Entries(), res.Failed())
	}
	t.Log(err)
}

func TestApplyMakesNamespaceDefinitionAndWhatUsesThem(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	set := `
apiVersion: NS.example.com/v1
kind: Widget
metadata: {name: w, namespace: NS-new}
spec: {size: 3}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: in, namespace: NS-new}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.NS.example.com}
spec:
  group: NS.example.com
  scope: Namespaced
  names: {kind: Widget, plural: widgets, singular: widget}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {size: {type: integer}}}
---
apiVersion: v1
kind: Namespace
metadata: {name: NS-new}
`
	opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Prune: true, Wait: true}
	res := c.mustApply(opts, set)
	if n := res.Count(ssa.Create); n != 4 {
		t.Fatalf("created %d: %v", n, res.Objects)
	}
	if res := c.mustApply(opts, set); res.Changed() {
		t.Errorf("second apply: %s", res.Summary())
	}
	if res := c.mustApply(opts); res.Count(ssa.Prune) != 4 {
		t.Errorf("prune: %v", res.Objects)
	}
}

func TestApplyValidatesInNamespaceThatIsStillToCome(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	set := `
apiVersion: v1
kind: Namespace
metadata: {name: NS-new}
---
apiVersion: v1
kind: Service
metadata: {name: s, namespace: NS-new}
spec: {ports: [{port: 99999}]}
`
	_, err := c.apply(ssa.ApplyOptions{}, set)
	if !errors.Is(err, ssa.ErrInvalid) || !strings.Contains(err.Error(), "spec.ports[0].port") {
		t.Fatalf("err = %v", err)
	}
	namespaces := configMaps
	namespaces.Resource = "namespaces"
	if _, err := c.client.Resource(namespaces).Get(t.Context(), c.ns+"-new", getOptions); !isNotFound(err) {
		t.Errorf("the namespace was made all the same: %v", err)
	}
}
