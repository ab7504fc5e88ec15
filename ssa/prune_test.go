package ssa_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
)

func labelled(manifest, labels string) string {
	return strings.Replace(manifest, "metadata: {", "metadata: {labels: {"+labels+"}, ", 1)
}

// bare is configB without an owner, under a name.
func bare(name string) string { return named(configB, "b", name) }

func TestAdoptionOfWhatIsThere(t *testing.T) {
	t.Parallel()
	owner := map[string]string{"owner": "us", "part": "x"}
	made := map[string]string{"unowned": "other: z", "half": "owner: us", "theirs": "owner: them, part: x", "ours": "owner: us, part: x"}
	for _, tc := range []struct {
		policy ssa.Adoption
		takes  []string
	}{
		{"", []string{"half", "ours", "theirs", "unowned"}},
		{ssa.AdoptAny, []string{"half", "ours", "theirs", "unowned"}},
		{ssa.AdoptUnowned, []string{"half", "ours", "unowned"}},
		{ssa.MustMatch, []string{"ours"}},
	} {
		for _, watching := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, watching %v", tc.policy, watching), func(t *testing.T) {
				c := newCluster(t, ssa.Options{})
				if watching {
					c.watching()
				}
				opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, OwnerLabels: owner, Adopt: tc.policy, ContinueOnError: true}
				if watching { // the watch has to have seen them
					c.mustApply(opts, bare("ours"))
				}
				var set []string
				for name, labels := range made {
					c.mustApply(ssa.ApplyOptions{}, labelled(bare(name), labels))
					set = append(set, strings.Replace(bare(name), "key: b", "key: changed", 1))
				}
				res, err := c.apply(opts, append(set, configA)...)
				var took []string
				for _, name := range []string{"half", "ours", "theirs", "unowned"} {
					if c.field(configMaps, name, "data", "key") == "changed" {
						took = append(took, name)
					}
				}
				if d := cmp.Diff(tc.takes, took); d != "" {
					t.Error(d)
				}
				if refused := 4 - len(tc.takes); errors.Is(err, ssa.ErrOwned) != (refused > 0) || len(res.Failed()) != refused || res.Inventory.Len() != 5-refused {
					t.Errorf("%v: inventory of %d: %v", res.Objects, res.Inventory.Len(), err)
				}
			})
		}
	}
}

func TestAdoptionOfWhatIsPruned(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		policy ssa.Adoption
		spared string
	}{{"", "theirs unowned"}, {ssa.AdoptUnowned, "theirs"}, {ssa.AdoptAny, ""}} {
		t.Run(string(tc.policy), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, ssa.Options{})
			opts := ssa.ApplyOptions{Inventory: &inventory.Memory{}, OwnerLabels: map[string]string{"owner": "us"}, Prune: true, PruneAdopt: tc.policy}
			c.mustApply(opts, bare("ours"), bare("theirs"), bare("unowned"))
			c.patchConfigMap("theirs", `{"metadata":{"labels":{"owner":"them"}}}`)
			c.patchConfigMap("unowned", `{"metadata":{"labels":{"owner":null}}}`)
			c.mustApply(opts)
			for _, name := range []string{"ours", "theirs", "unowned"} {
				if there := c.get(configMaps, name) != nil; there != strings.Contains(tc.spared, name) {
					t.Errorf("%s is there: %v", name, there)
				}
			}
		})
	}
}

func TestOrphansStayAndBelongToNobody(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, OwnerLabels: map[string]string{"example.com/owner": "us"}, Prune: true, Orphan: true}
	c.mustApply(opts, bare("b"))
	res := c.mustApply(opts)
	b := c.get(configMaps, "b")
	if b == nil || len(b.GetLabels()) > 0 || res.Count(ssa.Orphan) != 1 || res.Inventory.Len() != 0 {
		t.Errorf("%v; labels %v", res.Objects, b.GetLabels())
	}
}

func TestPropagationOfDeletion(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Prune: true, Propagation: metav1.DeletePropagationOrphan}
	c.mustApply(opts, bare("parent"))
	child := strings.Replace(bare("child"), "namespace: NS", fmt.Sprintf("namespace: NS, ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: parent, uid: %s}]", c.get(configMaps, "parent").GetUID()), 1)
	c.mustApply(ssa.ApplyOptions{}, child)
	c.mustApply(opts)
	eventually(t, "the parent is gone", func() bool { return c.get(configMaps, "parent") == nil })
	if child := c.get(configMaps, "child"); child == nil || len(child.GetOwnerReferences()) > 0 {
		t.Error("the child was not orphaned")
	}
}

func TestMassDeletionHasToBeAllowedByName(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	opts := ssa.ApplyOptions{Set: "shop", Inventory: &inventory.Memory{}, Prune: true, MaxPrunePercent: 50}
	c.mustApply(opts, bare("a"), bare("b"), bare("c"), bare("d"))
	_, err := c.apply(opts, bare("a"))
	if !errors.Is(err, ssa.ErrPruneRefused) || !strings.Contains(err.Error(), `"shop"`) || c.get(configMaps, "b") == nil {
		t.Fatalf("three of four: %v", err)
	}
	opts.AllowMassPrune = "another"
	if _, err := c.apply(opts, bare("a")); !errors.Is(err, ssa.ErrPruneRefused) {
		t.Fatalf("allowed for another set: %v", err)
	}
	c.mustApply(opts, bare("a"), bare("b")) // half is not too much
	opts.AllowMassPrune, opts.RefuseEmpty, opts.MaxPrune = "shop", true, 1
	if res := c.mustApply(opts); res.Count(ssa.Prune) != 2 {
		t.Errorf("%v", res.Objects)
	}
}

func TestWhatIsDependedOnIsPrunedLast(t *testing.T) {
	t.Parallel()
	for _, watching := range []bool{false, true} {
		t.Run(fmt.Sprintf("watching %v", watching), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, ssa.Options{})
			if watching {
				c.watching()
			}
			after := strings.Replace(bare("dependent"), "namespace: NS", "namespace: NS, finalizers: [example.com/hold], annotations: {config.kubernetes.io/depends-on: /namespaces/NS/ConfigMap/basis}", 1)
			opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Prune: true}
			c.mustApply(opts, bare("basis"), after)
			done := make(chan *ssa.Result)
			go func() {
				res, err := c.applier.Apply(t.Context(), nil, opts)
				if err != nil {
					t.Error(err)
				}
				done <- res
			}()
			eventually(t, "the dependent is being deleted", func() bool { return c.get(configMaps, "dependent").GetDeletionTimestamp() != nil })
			if basis := c.get(configMaps, "basis"); basis == nil || basis.GetDeletionTimestamp() != nil {
				t.Error("the basis was deleted while something that depends on it was there")
			}
			c.patchConfigMap("dependent", `{"metadata":{"finalizers":null}}`)
			if res := <-done; res.Count(ssa.Prune) != 2 || c.get(configMaps, "basis") != nil {
				t.Errorf("%v", res.Objects)
			}
		})
	}
	t.Run("and not while one stays", func(t *testing.T) {
		t.Parallel()
		c := newCluster(t, ssa.Options{})
		after := strings.Replace(bare("dependent"), "namespace: NS", "namespace: NS, annotations: {gitopskit.github.io/prune: disabled, config.kubernetes.io/depends-on: /namespaces/NS/ConfigMap/basis}", 1)
		opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Prune: true}
		c.mustApply(opts, bare("basis"), after)
		_, err := c.apply(opts)
		if !errors.Is(err, ssa.ErrDependency) || c.get(configMaps, "basis") == nil {
			t.Errorf("err = %v", err)
		}
	})
}

func TestWhatWasNeverOursIsNotOwnedBecauseItFailed(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	c.mustApply(ssa.ApplyOptions{}, bare("theirs"))
	opts := ssa.ApplyOptions{Inventory: &inventory.Memory{}, Prune: true, ContinueOnError: true}
	bad := strings.Replace(bare("theirs"), "data: {key: b}", "data: [1]", 1)
	res, err := c.apply(opts, configA, bad)
	if err == nil || res.Inventory.Len() != 1 {
		t.Fatalf("inventory %v, err = %v", res.Inventory.Entries(), err)
	}
	c.mustApply(opts, configA)
	if c.get(configMaps, "theirs") == nil {
		t.Error("somebody else's object was pruned")
	}
}
