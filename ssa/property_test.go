package ssa_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
)

// TestWhatIsTakenForUnchangedIsUnchanged drives random sets, random edits by
// others and random restarts, and after each compares what Apply takes for
// unchanged with a real dry run of every object.
func TestWhatIsTakenForUnchangedIsUnchanged(t *testing.T) {
	t.Parallel()
	for _, watching := range []bool{false, true} {
		t.Run(fmt.Sprintf("watching %v", watching), func(t *testing.T) {
			t.Parallel()
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			w := &world{cluster: newCluster(t, ssa.Options{}), r: rand.New(rand.NewPCG(seed, 0)), store: &inventory.Memory{}, want: map[int]int{}}
			if watching {
				w.watching()
			}
			steps := 40
			if testing.Short() {
				steps = 12
			}
			for step := range steps {
				w.changeSet()
				w.editLive()
				if !watching && w.r.IntN(4) == 0 {
					w.restart()
				}
				w.check(step, watching)
			}
		})
	}
}

// world is a set of objects, the cluster that should match it, and chance.
type world struct {
	*cluster
	r     *rand.Rand
	store *inventory.Memory
	want  map[int]int // index of an object → version of its content
}

const (
	worldKinds   = 6
	worldObjects = 2 * worldKinds
	worldManager = "gitopskit"
)

// template returns object i with content of version v.
func (w *world) template(i, v int) *unstructured.Unstructured {
	value := fmt.Sprintf("v%d", v)
	meta := map[string]any{"name": fmt.Sprintf("o%d", i), "namespace": w.ns, "labels": map[string]any{"app": value}}
	if v%2 == 1 {
		meta["annotations"] = map[string]any{"odd": value}
	}
	o := map[string]any{"apiVersion": "v1", "metadata": meta}
	switch i % worldKinds {
	case 0:
		o["kind"], o["data"] = "ConfigMap", map[string]any{"key": value, "only" + value: "x"}
	case 1:
		o["kind"] = "Service"
		o["spec"] = map[string]any{"selector": map[string]any{"app": value}, "ports": []any{map[string]any{"name": "p" + value, "port": int64(80 + v)}}}
	case 2:
		o["kind"], o["apiVersion"] = "Deployment", "apps/v1"
		o["spec"] = map[string]any{
			"replicas": int64(v % 3), "selector": map[string]any{"matchLabels": map[string]any{"x": "y"}},
			"template": map[string]any{
				"metadata": map[string]any{"labels": map[string]any{"x": "y"}},
				"spec":     map[string]any{"containers": []any{map[string]any{"name": "c", "image": "c:" + value, "resources": map[string]any{"limits": map[string]any{"cpu": "0.5"}}}}},
			},
		}
	case 3:
		o["kind"], o["stringData"] = "Secret", map[string]any{"key": value}
	case 4:
		o["kind"], o["apiVersion"] = "NetworkPolicy", "networking.k8s.io/v1"
		o["spec"] = map[string]any{"podSelector": map[string]any{"matchLabels": map[string]any{"app": value}}, "policyTypes": []any{"Ingress"}, "ingress": []any{}, "egress": nil}
	case 5:
		cpu := map[string]any{"type": "Resource", "resource": map[string]any{"name": "cpu", "target": map[string]any{"type": "AverageValue", "averageValue": "0." + value[1:] + "5"}}}
		o["kind"], o["apiVersion"] = "HorizontalPodAutoscaler", "autoscaling/v2"
		o["spec"] = map[string]any{"maxReplicas": int64(v + 1), "metrics": []any{cpu}, "scaleTargetRef": map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "name": "none"}}
	}
	return &unstructured.Unstructured{Object: o}
}

var worldResources = []schema.GroupVersionResource{
	configMaps, {Version: "v1", Resource: "services"}, {Group: "apps", Version: "v1", Resource: "deployments"}, {Version: "v1", Resource: "secrets"},
	{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"}, {Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"},
}

func (w *world) changeSet() {
	for range w.r.IntN(4) {
		i := w.r.IntN(worldObjects)
		if w.r.IntN(4) == 0 {
			delete(w.want, i)
		} else {
			w.want[i] = w.r.IntN(5)
		}
	}
}

// editLive does to the live objects what others do.
func (w *world) editLive() {
	for range w.r.IntN(4) {
		i := w.r.IntN(worldObjects)
		live := w.get(worldResources[i%worldKinds], fmt.Sprintf("o%d", i))
		if live == nil {
			continue
		}
		w.edit(i, live)
	}
}

func (w *world) edit(i int, live *unstructured.Unstructured) {
	w.t.Helper()
	res := w.client.Resource(worldResources[i%worldKinds]).Namespace(w.ns)
	patch := func(manager string, kind types.PatchType, body string, sub ...string) {
		_, err := res.Patch(w.t.Context(), live.GetName(), kind, []byte(body), metav1.PatchOptions{FieldManager: manager, Force: force(kind)}, sub...)
		if err != nil {
			w.t.Fatalf("%s on %s %s: %v", body, live.GetKind(), live.GetName(), err)
		}
	}
	value := fmt.Sprintf("edit%d", w.r.IntN(3))
	switch w.r.IntN(8) {
	case 0:
		patch("kubectl-edit", types.MergePatchType, `{"metadata":{"labels":{"app":"`+value+`"}}}`)
	case 1:
		patch("other", types.MergePatchType, `{"metadata":{"labels":{"other":"`+value+`"},"annotations":{"odd":null}}}`)
	case 2: // somebody else applies under our name, perhaps in the same second
		o := w.template(i, w.r.IntN(5))
		patch(worldManager, types.ApplyPatchType, mustJSON(o.Object))
	case 3: // another manager owns a field with us, or takes it
		o := w.template(i, w.r.IntN(5))
		o.Object = map[string]any{"apiVersion": o.GetAPIVersion(), "kind": o.GetKind(), "metadata": o.Object["metadata"]}
		patch("co-owner", types.ApplyPatchType, mustJSON(o.Object))
	case 4:
		if err := res.Delete(w.t.Context(), live.GetName(), metav1.DeleteOptions{}); err != nil {
			w.t.Fatal(err)
		}
	case 5:
		if i%worldKinds == 2 {
			patch("status-writer", types.MergePatchType, fmt.Sprintf(`{"status":{"observedGeneration":%d}}`, w.r.IntN(1000)), "status")
		}
	case 6:
		if i%worldKinds == 2 {
			patch("scaler", types.MergePatchType, fmt.Sprintf(`{"spec":{"replicas":%d}}`, w.r.IntN(3)), "scale")
		}
	case 7: // the bookkeeping of field managers is thrown away
		patch("resetter", types.MergePatchType, `{"metadata":{"managedFields":[{}]}}`)
	}
}

func force(kind types.PatchType) *bool {
	if kind != types.ApplyPatchType {
		return nil
	}
	yes := true
	return &yes
}

func mustJSON(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// restart makes a new Applier that has the old one's snapshot, or not even that.
func (w *world) restart() {
	w.t.Helper()
	data, err := w.applier.Snapshot()
	if err != nil {
		w.t.Fatal(err)
	}
	if w.applier, err = ssa.New(w.cfg, ssa.Options{}); err != nil {
		w.t.Fatal(err)
	}
	if w.r.IntN(2) == 0 {
		if err := w.applier.Restore(data); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) objects() []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	for i := range worldObjects {
		if v, ok := w.want[i]; ok {
			out = append(out, w.template(i, v))
		}
	}
	return out
}

// check applies the set and compares. What the watch has not told of yet is
// excused as long as it comes.
func (w *world) check(step int, watching bool) {
	w.t.Helper()
	for attempt := 0; ; attempt++ {
		wrong := w.applyAndCompare()
		if wrong == "" {
			break
		}
		if !watching || attempt == 200 {
			w.t.Fatalf("step %d: %s", step, wrong)
		}
		pause(w.t, 5*time.Millisecond)
	}
}

func pause(t testing.TB, d time.Duration) {
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

func (w *world) applyAndCompare() (wrong string) {
	w.t.Helper()
	objects := w.objects()
	before := map[string]string{}
	for _, o := range objects {
		before[o.GetKind()+o.GetName()] = w.dryRun(o)
	}
	res, err := w.applier.Apply(w.t.Context(), objects, ssa.ApplyOptions{Set: "world", Inventory: w.store, Prune: true})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, o := range res.Objects {
		diff := before[o.Ref.Kind+o.Ref.Name]
		if o.Action == ssa.Unchanged && diff != "" {
			return fmt.Sprintf("%s is taken for unchanged; a dry run changes\n%s", o.Ref, diff)
		}
	}
	for _, o := range objects {
		if diff := w.dryRun(o); diff != "" {
			return fmt.Sprintf("%s/%s differs after the apply:\n%s", o.GetKind(), o.GetName(), diff)
		}
	}
	return ""
}

// dryRun returns what a server-side apply would change in an object's content.
func (w *world) dryRun(o *unstructured.Unstructured) string {
	w.t.Helper()
	gvr := worldResources[0]
	for i, kind := range []string{"ConfigMap", "Service", "Deployment", "Secret", "NetworkPolicy", "HorizontalPodAutoscaler"} {
		if o.GetKind() == kind {
			gvr = worldResources[i]
		}
	}
	live := w.get(gvr, o.GetName())
	if live == nil {
		return "it is not there"
	}
	sent := o.DeepCopy()
	if o.GetKind() == "Secret" {
		delete(sent.Object, "stringData")
		key := o.Object["stringData"].(map[string]any)["key"].(string)
		sent.Object["data"] = map[string]any{"key": []byte(key)}
	}
	merged, err := w.client.Resource(gvr).Namespace(w.ns).Patch(w.t.Context(), o.GetName(), types.ApplyPatchType, []byte(mustJSON(sent.Object)),
		metav1.PatchOptions{FieldManager: worldManager, Force: force(types.ApplyPatchType), DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		w.t.Fatal(err)
	}
	if now := w.get(gvr, o.GetName()); now == nil || now.GetResourceVersion() != live.GetResourceVersion() {
		return w.dryRun(o) // a controller has written in between
	}
	return cmp.Diff(content(live), content(merged))
}

// content is what an apply can change, and what it can't is not looked at.
func content(u *unstructured.Unstructured) map[string]any {
	c := u.DeepCopy()
	delete(c.Object, "status")
	c.SetManagedFields(nil)
	c.SetResourceVersion("")
	c.SetGeneration(0)
	return c.Object
}
