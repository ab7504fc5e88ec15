package ssa_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
	"github.com/gitopskit/gitopskit/ssa/health"
)

func (c *cluster) patchConfigMap(name, patch string) {
	c.t.Helper()
	_, err := c.client.Resource(configMaps).Namespace(c.ns).Patch(c.t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "somebody"})
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) deleteConfigMap(name string) {
	c.t.Helper()
	if err := c.client.Resource(configMaps).Namespace(c.ns).Delete(c.t.Context(), name, metav1.DeleteOptions{}); err != nil {
		c.t.Fatal(err)
	}
}

// TestPruneSparesWhatItMustNotDelete applies a ConfigMap, lets something happen
// to it, and takes it out of the set.
func TestPruneSparesWhatItMustNotDelete(t *testing.T) {
	t.Parallel()
	cases := []struct {
		reason string
		happen func(*cluster)
		says   string
	}{
		{"replaced by somebody", func(c *cluster) {
			c.deleteConfigMap("a")
			c.mustApply(ssa.ApplyOptions{}, configA)
		}, "replaced"},
		{"taken over by another owner", func(c *cluster) { c.patchConfigMap("a", `{"metadata":{"labels":{"owner":"other"}}}`) }, "somebody else"},
		{"owner label removed", func(c *cluster) { c.patchConfigMap("a", `{"metadata":{"labels":{"owner":null}}}`) }, "somebody else"},
		{"marked on the live object", func(c *cluster) {
			c.patchConfigMap("a", `{"metadata":{"annotations":{"gitopskit.github.io/prune":"disabled"}}}`)
		}, "marked"},
	}
	for _, watching := range []bool{false, true} {
		for _, tc := range cases {
			t.Run(fmt.Sprintf("%s, watching %v", tc.reason, watching), func(t *testing.T) {
				c := newCluster(t, ssa.Options{})
				if watching {
					c.watching()
				}
				opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, OwnerLabels: map[string]string{"owner": "us"}, Prune: true}
				c.mustApply(opts, configA)
				tc.happen(c)
				res := c.mustApply(opts)
				if len(res.Objects) != 1 || res.Objects[0].Action != ssa.Skip || !strings.Contains(res.Objects[0].Reason, tc.says) {
					t.Errorf("%v", res.Objects)
				}
				if c.get(configMaps, "a") == nil {
					t.Error("it was deleted")
				}
			})
		}
	}
}

func TestPruneOfWhatIsGoneAlreadyEndsWell(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Prune: true}
	c.mustApply(opts, configA)
	c.deleteConfigMap("a")
	if res := c.mustApply(opts); res.Inventory.Len() != 0 {
		t.Errorf("still owns %v", res.Inventory.Entries())
	}
}

func TestPruneOfObjectsThatOwnEachOther(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Prune: true}
	c.mustApply(opts, configA, configB)
	owned := func(manifest, by string) string {
		owner := fmt.Sprintf("namespace: NS, ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: %s, uid: %s}]", by, c.get(configMaps, by).GetUID())
		return strings.Replace(manifest, "namespace: NS", owner, 1)
	}
	circle := []string{owned(configA, "b"), owned(configB, "a")}
	c.mustApply(opts, circle...)
	if res := c.mustApply(ssa.ApplyOptions{}, circle...); res.Changed() {
		t.Errorf("a second time: %v", res.Objects)
	}
	if res := c.mustApply(opts); res.Count(ssa.Prune) != 2 || res.Inventory.Len() > 0 || c.get(configMaps, "a") != nil || c.get(configMaps, "b") != nil {
		t.Errorf("%v", res.Objects)
	}
}

func TestPruneNeverDeletesSystemNamespaces(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	store := &inventory.Memory{}
	if err := store.Save(t.Context(), inventory.New(inventory.Entry{Ref: inventory.Ref{Kind: "Namespace", Name: "kube-public"}, Version: "v1"})); err != nil {
		t.Fatal(err)
	}
	res := c.mustApply(ssa.ApplyOptions{Inventory: store, Prune: true, DryRun: true})
	if res.Objects[0].Action != ssa.Skip {
		t.Errorf("%v", res.Objects)
	}
}

func TestPruneSkipsKindsThatTheClusterNoLongerServes(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	store := &inventory.Memory{}
	if err := store.Save(t.Context(), inventory.New(inventory.Entry{Ref: inventory.Ref{Group: "gone.example.com", Kind: "Gadget", Namespace: c.ns, Name: "g"}, Version: "v1"})); err != nil {
		t.Fatal(err)
	}
	res := c.mustApply(ssa.ApplyOptions{Inventory: store, Prune: true})
	if res.Objects[0].Action != ssa.Skip || !strings.Contains(res.Objects[0].Reason, "no longer serves") {
		t.Errorf("%v", res.Objects)
	}
}

func TestPruneDoesNotDeleteTheSameObjectUnderAnotherGroup(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	event := "apiVersion: v1\nkind: Event\nmetadata: {name: e, namespace: NS}\ninvolvedObject: {kind: ConfigMap, name: a, namespace: NS}\nreason: Test\nmessage: m\ntype: Normal\n"
	opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Prune: true}
	c.mustApply(opts, event)
	newer := "apiVersion: events.k8s.io/v1\nkind: Event\nmetadata: {name: e, namespace: NS}\nregarding: {kind: ConfigMap, name: a, namespace: NS}\nreason: Test\nnote: m\ntype: Normal\n"
	res := c.mustApply(opts, newer)
	for _, o := range res.Objects {
		if o.Action == ssa.Prune {
			t.Errorf("pruned %s, which is in the set as another kind", o.Ref)
		}
	}
	events := configMaps
	events.Resource = "events"
	if c.get(events, "e") == nil {
		t.Error("it was deleted")
	}
}

func TestPruneIsRefusedWhenTooMuchWouldGo(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Prune: true, MaxPrune: 1, RefuseEmpty: true}
	c.mustApply(opts, configA, configB, strings.Replace(configB, "name: b", "name: c", 1))
	for _, set := range [][]string{{configA}, {}} {
		_, err := c.apply(opts, set...)
		if !errors.Is(err, ssa.ErrPruneRefused) {
			t.Errorf("set of %d: %v", len(set), err)
		}
	}
	if c.get(configMaps, "b") == nil {
		t.Error("b was deleted")
	}
	opts.MaxPrune = 2
	c.mustApply(opts, configA)
}

func TestPruneNeedsAnInventory(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	if _, err := c.apply(ssa.ApplyOptions{Prune: true}, configA); err == nil || !strings.Contains(err.Error(), "ApplyOptions.Inventory") {
		t.Errorf("err = %v", err)
	}
}

func TestPruneThatHasToBeConfirmed(t *testing.T) {
	t.Parallel()
	for _, watching := range []bool{false, true} {
		t.Run(fmt.Sprintf("watching %v", watching), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, ssa.Options{})
			if watching {
				c.watching()
			}
			opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Prune: true, MaxPrune: 1}
			c.mustApply(opts, marked(bare("b"), "prune: confirm"), marked(bare("c"), "prune: confirm"), configA)
			for range 2 { // as long as nobody says anything, and without being too many
				res := c.mustApply(opts, configA)
				if res.Count(ssa.Skip) != 2 || res.Inventory.Len() != 3 || !strings.Contains(res.Objects[1].Reason, "gitopskit.github.io/prune=confirmed") {
					t.Fatalf("%v, inventory %v", res.Objects, res.Inventory.Entries())
				}
			}
			c.patchConfigMap("b", `{"metadata":{"annotations":{"gitopskit.github.io/prune":"confirmed"}}}`)
			if res := c.mustApply(opts, configA); res.Count(ssa.Prune) != 1 || c.get(configMaps, "b") != nil || c.get(configMaps, "c") == nil {
				t.Errorf("%v", res.Objects)
			}
		})
	}
}

func TestPruneWaitsForTheSetToBeReady(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Prune: true, PruneWhenReady: true}
	c.mustApply(opts, configA)
	never := func(*unstructured.Unstructured) health.Report { return health.Report{Status: health.InProgress} }
	opts.Health, opts.WaitTimeout = never, 100*time.Millisecond
	res, err := c.apply(opts, configB)
	if !errors.Is(err, health.ErrTimeout) || c.get(configMaps, "a") == nil || res.Inventory.Len() != 2 {
		t.Fatalf("err = %v, %v", err, res.Objects)
	}
	opts.Health, opts.WaitTimeout = nil, 0
	if res := c.mustApply(opts, configB); res.Count(ssa.Prune) != 1 || c.get(configMaps, "a") != nil {
		t.Errorf("%v", res.Objects)
	}
}

func TestPruneOfAllNamespacesIsRefused(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	ns := func(name string) string { return "apiVersion: v1\nkind: Namespace\nmetadata: {name: NS-" + name + "}" }
	opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Prune: true, RefuseEmpty: true}
	c.mustApply(opts, configA, ns("a"), ns("b"))
	if _, err := c.apply(opts, configA); !errors.Is(err, ssa.ErrPruneRefused) || !strings.Contains(err.Error(), "all 2 namespaces") {
		t.Errorf("err = %v", err)
	}
	c.mustApply(opts, configA, ns("a")) // one of two may go, and then the last
	if res := c.mustApply(opts, configA); res.Count(ssa.Prune) != 1 {
		t.Errorf("%v", res.Objects)
	}
}

// Between the look at an object and its deletion somebody puts another one in
// its place.
func TestPruneHasTheUIDAsPrecondition(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Prune: true}
	var once sync.Once
	cfg := rest.CopyConfig(c.cfg)
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			if req.Method == http.MethodDelete {
				once.Do(func() {
					c.deleteConfigMap("a")
					c.mustApply(ssa.ApplyOptions{}, configA)
				})
			}
			return next.RoundTrip(req)
		})
	})
	a, err := ssa.New(cfg, ssa.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Apply(t.Context(), c.objects(configA), opts); err != nil {
		t.Fatal(err)
	}
	res, err := a.Apply(t.Context(), nil, opts)
	if err != nil || res.Objects[0].Action != ssa.Skip || !strings.Contains(res.Objects[0].Reason, "replaced") || c.get(configMaps, "a") == nil {
		t.Errorf("%v, err = %v", res.Objects, err)
	}
}

func TestPruneDoesNotDeleteWhatAnotherSetHasNow(t *testing.T) {
	t.Parallel()
	for _, watching := range []bool{false, true} {
		t.Run(fmt.Sprintf("watching %v", watching), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, ssa.Options{})
			if watching {
				c.watching()
			}
			from := ssa.ApplyOptions{Set: "from", Inventory: &inventory.Memory{}, Prune: true, OwnerLabels: map[string]string{"owner": "from"}}
			to := ssa.ApplyOptions{Set: "to", Inventory: &inventory.Memory{}, Prune: true, OwnerLabels: map[string]string{"owner": "to"}}
			c.mustApply(from, configA, configB)
			uid := c.get(configMaps, "a").GetUID()
			c.mustApply(to, configA)
			if res := c.mustApply(from, configB); res.Count(ssa.Skip) != 1 || c.get(configMaps, "a").GetUID() != uid || res.Inventory.Len() != 1 {
				t.Errorf("%v", res.Objects)
			}
			if res := c.mustApply(to); res.Count(ssa.Prune) != 1 {
				t.Errorf("its new owner: %v", res.Objects)
			}
		})
	}
}
