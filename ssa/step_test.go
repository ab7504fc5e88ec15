package ssa_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
	"github.com/gitopskit/gitopskit/ssa/health"
)

func TestProgressIsToldAsItIsMade(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	after := strings.Replace(bare("dependent"), "namespace: NS", "namespace: NS, annotations: {config.kubernetes.io/depends-on: /namespaces/NS/ConfigMap/basis}", 1)
	var got []string
	opts := ssa.ApplyOptions{
		Set: "s", Inventory: &inventory.Memory{}, Prune: true, Wait: true,
		OnStep: func(s ssa.Step, n int) { got = append(got, fmt.Sprint("step ", s, " ", n)) },
	}
	c.mustApply(opts, bare("stays"), bare("basis"), after)
	if diff := cmp.Diff([]string{"step read 3", "step validate 3", "step write 3"}, got); diff != "" {
		t.Errorf("at first: -want +got\n%s", diff)
	}
	got = nil
	opts.OnEvent = func(o ssa.ObjectResult) {
		there := func(name string) string { return fmt.Sprint(c.get(configMaps, name) != nil) }
		got = append(got, fmt.Sprintf("%s %s: new %s, basis %s", o.Action, o.Ref.Name, there("new"), there("basis")))
	}
	c.mustApply(opts, bare("stays"), bare("new"))
	want := []string{
		"step read 2", "unchanged stays: new false, basis true", "step validate 1",
		"step write 1", "create new: new true, basis true",
		"step prune 2", "prune dependent: new true, basis true", "prune basis: new true, basis false",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestHealthOfADependencyIsTold(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	dependent := strings.Replace(bare("dependent"), "namespace: NS", "namespace: NS, annotations: {config.kubernetes.io/depends-on: batch/namespaces/NS/Job/j}", 1)
	var told []string
	opts := ssa.ApplyOptions{
		OnHealth: func(o health.Observation) { told = append(told, o.Ref.Kind+" "+string(o.Status)) },
		OnEvent:  func(o ssa.ObjectResult) { told = append(told, string(o.Action)+" "+o.Ref.Kind) },
	}
	c.mustApply(opts, job, dependent)
	if len(told) < 3 || told[0] != "create Job" || told[len(told)-2] != "Job Current" || told[len(told)-1] != "create ConfigMap" {
		t.Errorf("told %q", told)
	}
}

func TestAnInventoryInANamespaceOfTheSet(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	store, err := inventory.NewConfigMap(c.cfg, c.ns+"-new", "inventory")
	if err != nil {
		t.Fatal(err)
	}
	namespace := "apiVersion: v1\nkind: Namespace\nmetadata: {name: NS-new}"
	opts := ssa.ApplyOptions{Set: "s", Inventory: store, Prune: true}
	if _, err := c.apply(opts, bare("a")); err == nil || !strings.Contains(err.Error(), "not found") {
		t.Errorf("without the namespace: %v", err)
	}
	if c.get(configMaps, "a") != nil {
		t.Error("something was written, and no inventory lists it")
	}
	res := c.mustApply(opts, bare("a"), namespace)
	if res.Count(ssa.Create) != 2 {
		t.Errorf("%v", res.Objects)
	}
	stored, err := store.Load(t.Context())
	if err != nil || stored.Len() != 2 {
		t.Errorf("the inventory lists %v, err = %v", stored, err)
	}
	if res := c.mustApply(opts, namespace); res.Count(ssa.Unchanged) != 1 || res.Count(ssa.Prune) != 1 {
		t.Errorf("%v", res.Objects)
	}
}

func TestWhatHoldsAnObjectThatHasToGoIsTold(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	frozen := func(value string) string {
		return strings.Replace(bare("frozen"), "{key: b}", "{key: "+value+"}\nimmutable: true", 1)
	}
	c.mustApply(ssa.ApplyOptions{}, frozen("b"))
	c.patchConfigMap("frozen", `{"metadata":{"finalizers":["example.com/hold"]}}`)
	var told []string
	res := c.mustApply(ssa.ApplyOptions{RecreateImmutable: true, OnHealth: func(o health.Observation) {
		if told = append(told, o.String()); len(told) == 1 {
			c.patchConfigMap("frozen", `{"metadata":{"finalizers":null}}`)
		}
	}}, frozen("c"))
	if len(told) == 0 || !strings.HasSuffix(told[0], "frozen: Terminating: held by finalizer example.com/hold") || res.Count(ssa.Recreate) != 1 {
		t.Errorf("told %q; %v", told, res.Objects)
	}
}
