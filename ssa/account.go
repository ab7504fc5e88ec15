package ssa

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/gitopskit/gitopskit/inventory"
)

// writeAhead stores the inventory with everything that may be written from now
// on, so that whatever happens there is no object that nobody owns.
func (r *run) writeAhead(ctx context.Context) error {
	if r.opts.Inventory == nil {
		return nil
	}
	err := r.save(ctx, r.ahead())
	if ns := r.home(err); ns != nil {
		r.writeAll(ctx, []*object{ns})
		err = r.save(ctx, r.ahead())
	}
	return err
}

// home returns the namespace that the inventory is to be in, where storing it
// has failed for lack of it and the set has it: it is made first.
func (r *run) home(err error) *object {
	var status apierrors.APIStatus
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) || status.Status().Details == nil || status.Status().Details.Kind != "namespaces" {
		return nil
	}
	ns := r.byRef[inventory.Ref{Kind: "Namespace", Name: status.Status().Details.Name}]
	if ns == nil || ns.action != Create || r.failed(ns) {
		return nil
	}
	return ns
}

// ahead returns what the set owns now, and what it may own soon.
func (r *run) ahead() *inventory.Inventory {
	ahead := r.old.Clone()
	for _, o := range r.objects {
		if r.owns(o) {
			ahead.Add(o.entry())
		}
	}
	return ahead
}

// owns reports whether o belongs into the inventory before anything is
// written: what is there, and what is about to be.
func (r *run) owns(o *object) bool {
	switch {
	case r.failed(o), o.action == Skip && o.live == nil:
		return r.old.Has(o.ref)
	case o.action == Skip: // it may be somebody else's; its labels tell when it leaves the set
		return r.old.Has(o.ref) || len(r.opts.OwnerLabels) > 0
	}
	return true
}

// writeDown stores the inventory as it is after everything.
func (r *run) writeDown(ctx context.Context) error {
	if r.opts.Inventory == nil {
		return nil
	}
	return r.save(ctx, r.result.Inventory)
}

func (r *run) save(ctx context.Context, inv *inventory.Inventory) error {
	if inv.Equal(r.saved) {
		r.result.Inventory = inv
		return nil
	}
	r.result.Inventory = inv.Clone()
	if err := r.opts.Inventory.Save(ctx, inv); err != nil {
		return fmt.Errorf("ssa: %w", err)
	}
	r.saved = inv.Clone()
	return nil
}
