package ssa

import (
	"context"
	"slices"

	"github.com/gitopskit/gitopskit/inventory"
)

// systemNamespaces are never deleted, whatever an inventory says.
var systemNamespaces = []string{"default", "kube-system", "kube-public", "kube-node-lease"}

// orphans returns what the inventory has and the set has not, last rank first.
func (r *run) orphans() []inventory.Entry {
	out := r.old.Filter(func(e inventory.Entry) bool { return r.byRef[e.Ref] == nil }).Entries()
	slices.SortStableFunc(out, func(a, b inventory.Entry) int { return compareRank(b.Ref, a.Ref) })
	return out
}

// prune deletes the orphans, or lets go of them, and takes those that are gone
// from the inventory.
func (r *run) prune(ctx context.Context) {
	if len(r.leaving) == 0 {
		return
	}
	r.begin(StepPrune, len(r.leaving))
	p := r.pruner(ctx)
	first := r.expectPruned(p.victims)
	p.removeAll(ctx, func(i int, res ObjectResult) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.result.Objects[first+i] = res
		if res.Err == nil && !p.victims[i].awaited {
			r.result.Inventory.Remove(res.Ref)
		}
		r.tell(first + i)
	})
}

// expectPruned adds a result for each victim, as not come to yet, and returns
// the index of the first.
func (r *run) expectPruned(victims []*victim) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := len(r.result.Objects)
	for _, v := range victims {
		r.result.Objects = append(r.result.Objects, ObjectResult{Ref: v.ref, Version: v.version, Action: None})
		r.told = append(r.told, false)
	}
	return first
}

func (r *run) rehearsePrune(ctx context.Context) error {
	if !r.opts.Prune || r.failures() > 0 {
		return nil
	}
	p := r.pruner(ctx)
	for _, v := range p.victims {
		r.addPruned(p.judge(v))
	}
	return nil
}

func (r *run) addPruned(res ObjectResult) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Objects = append(r.result.Objects, res)
	r.told = append(r.told, false)
	r.tell(len(r.told) - 1)
}
