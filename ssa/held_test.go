package ssa_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
)

var namespaces = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}

const (
	stuckNamespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: NS-stuck}\n"
	stuckHeld      = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: held, namespace: NS-stuck}\ndata: {key: one}\n"
	stuckNew       = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: new, namespace: NS-stuck}\ndata: {key: one}\n"
)

// hold gives the ConfigMap in the other namespace a finalizer, or takes it away.
func (c *cluster) hold(finalizers string) {
	c.t.Helper()
	patch := []byte(`{"metadata":{"finalizers":` + finalizers + `}}`)
	_, err := c.client.Resource(configMaps).Namespace(c.ns+"-stuck").Patch(context.Background(), "held", types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil && !isNotFound(err) {
		c.t.Error(err)
	}
}

// stuck reports whether the namespace controller says what holds the namespace.
func (c *cluster) stuck() bool {
	u, err := c.client.Resource(namespaces).Get(c.t.Context(), c.ns+"-stuck", getOptions)
	if err != nil {
		return false
	}
	text, _ := u.MarshalJSON()
	return strings.Contains(string(text), "example.com/hold in 1 resource instances")
}

// saysWhatHolds checks that an error is about the namespace and its content.
func saysWhatHolds(t *testing.T, what string, err error, ns string) {
	t.Helper()
	var held *ssa.TerminatingError
	if !errors.Is(err, ssa.ErrTerminating) || !errors.As(err, &held) {
		t.Fatalf("%s: err = %v", what, err)
	}
	if held.Ref != (inventory.Ref{Kind: "Namespace", Name: ns}) || !strings.Contains(err.Error(), "example.com/hold in 1 resource instances") {
		t.Errorf("%s: %v", what, err)
	}
}

func TestNamespaceThatIsStuckStopsOnlyWhatIsInIt(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Prune: true, ContinueOnError: true}
	c.mustApply(opts, stuckNamespace, stuckHeld, configA)
	c.hold(`["example.com/hold"]`)
	defer c.cleanUp(opts)
	defer c.hold("null")
	if err := c.client.Resource(namespaces).Delete(t.Context(), c.ns+"-stuck", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the namespace is stuck", c.stuck)

	set := []string{stuckNamespace, stuckHeld, stuckNew, strings.Replace(configA, "key: one", "key: changed", 1)}
	for _, skip := range []bool{false, true} {
		opts.SkipValidation = skip
		res, err := c.apply(opts, set...)
		saysWhatHolds(t, "namespace", res.Objects[0].Err, c.ns+"-stuck")
		if !errors.Is(res.Objects[1].Err, ssa.ErrTerminating) && !errors.Is(res.Objects[1].Err, ssa.ErrDependency) {
			t.Errorf("held: %v", err)
		}
		if !skip {
			saysWhatHolds(t, "new", res.Objects[2].Err, c.ns+"-stuck")
		}
		if res.Objects[3].Err != nil {
			t.Errorf("what is elsewhere: %v", res.Objects[3])
		}
		if inv, _ := opts.Inventory.Load(t.Context()); !inv.Has(res.Objects[0].Ref) || !inv.Has(res.Objects[1].Ref) || !inv.Has(res.Objects[3].Ref) {
			t.Errorf("the inventory has lost something: %v", inv.Entries())
		}
	}
	if got := c.field(configMaps, "a", "data", "key"); got != "changed" {
		t.Errorf("key = %s", got)
	}

	c.hold("null")
	eventually(t, "the namespace is gone", func() bool {
		_, err := c.client.Resource(namespaces).Get(t.Context(), c.ns+"-stuck", getOptions)
		return isNotFound(err)
	})
	if res := c.mustApply(opts, set...); res.Count(ssa.Create) != 3 || res.Count(ssa.Unchanged) != 1 {
		t.Errorf("%v", res.Objects)
	}
}

func TestObjectsForANamespaceThatIsBeingDeleted(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	before := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Prune: true}
	c.mustApply(before, stuckNamespace, stuckHeld)
	c.hold(`["example.com/hold"]`)
	defer c.hold("null")

	// Pruning does not wait. Waiting tells what holds it, and ends with its limit or its context.
	if res := c.mustApply(before); res.Count(ssa.Prune) != 2 {
		t.Fatalf("%v", res.Objects)
	}
	eventually(t, "the namespace is stuck", c.stuck)
	gone := []inventory.Entry{
		{Ref: inventory.Ref{Kind: "Namespace", Name: c.ns + "-stuck"}, Version: "v1"},
		{Ref: inventory.Ref{Kind: "ConfigMap", Namespace: c.ns, Name: "never"}, Version: "v1"},
	}
	limited := make(chan error, 1)
	go func() { limited <- c.applier.WaitGone(t.Context(), gone, 5*time.Second) }()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	err := c.applier.WaitGone(ctx, gone, time.Hour)
	saysWhatHolds(t, "wait with a limit", <-limited, c.ns+"-stuck")
	saysWhatHolds(t, "wait with a context", err, c.ns+"-stuck")
	if !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "never") {
		t.Errorf("err = %v", err)
	}

	// The namespace is not in this set.
	store := &inventory.Memory{}
	res, _ := c.apply(ssa.ApplyOptions{Set: "o", Inventory: store, ContinueOnError: true, SkipValidation: true}, stuckNew, configA)
	saysWhatHolds(t, "new", res.Objects[0].Err, c.ns+"-stuck")
	if inv, _ := store.Load(t.Context()); inv.Len() != 1 {
		t.Errorf("the inventory has %v", inv.Entries())
	}

	c.hold("null")
	if err := c.applier.WaitGone(t.Context(), gone, time.Minute); err != nil {
		t.Error(err)
	}
}
