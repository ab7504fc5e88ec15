package ssa

import (
	"context"
	"fmt"

	"github.com/gitopskit/gitopskit/inventory"
)

// checkPrune refuses before anything is written what would be refused later.
func (r *run) checkPrune(ctx context.Context) error {
	if !r.opts.Prune {
		return nil
	}
	r.leaving = r.orphans()
	if r.opts.Set != "" && r.opts.AllowMassPrune == r.opts.Set || len(r.leaving) == 0 {
		return nil
	}
	why := r.emptied()
	if why == "" && r.overLimit(len(r.leaving)) != "" {
		why = r.overLimit(r.pruner(ctx).count()) // some may stay, or be gone already
	}
	if why == "" {
		return nil
	}
	lift := fmt.Sprintf("if they are to go, set ApplyOptions.AllowMassPrune to the set's name, %q", r.opts.Set)
	if r.opts.Set == "" {
		lift = "if they are to go, name the set and lift the limit by its name: ApplyOptions.Set and AllowMassPrune"
	}
	return fmt.Errorf("ssa: %w: %s; %s", ErrPruneRefused, why, lift)
}

// emptied says what of a set is so empty that this is taken for an accident.
func (r *run) emptied() string {
	if !r.opts.RefuseEmpty {
		return ""
	}
	if len(r.objects) == 0 {
		return fmt.Sprintf("the set is empty and the inventory lists %d", len(r.leaving))
	}
	isNamespace := func(e inventory.Ref) bool { return e.Group == "" && e.Kind == "Namespace" }
	gone := 0
	for _, e := range r.leaving {
		if isNamespace(e.Ref) {
			gone++
		}
	}
	if gone < 2 {
		return ""
	}
	for _, o := range r.objects {
		if isNamespace(o.ref) {
			return ""
		}
	}
	return fmt.Sprintf("all %d namespaces left the set", gone)
}

// overLimit says which limit the deletion of n objects is beyond.
func (r *run) overLimit(n int) string {
	if most := r.opts.MaxPrune; most > 0 && n > most {
		return fmt.Sprintf("%d objects left the set, ApplyOptions.MaxPrune is %d", n, most)
	}
	if most := r.opts.MaxPrunePercent; most > 0 && n*100 > most*r.old.Len() {
		return fmt.Sprintf("%d of %d objects left the set, ApplyOptions.MaxPrunePercent is %d", n, r.old.Len(), most)
	}
	return ""
}

// count returns how many victims would be removed, or may be.
func (p *pruner) count() int {
	n := 0
	for _, v := range p.victims {
		res := p.judge(v)
		if res.Err != nil || v.live != nil && res.Action != Skip {
			n++
		}
	}
	return n
}
