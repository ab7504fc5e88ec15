package ssa

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gitopskit/gitopskit/inventory"
)

// expected compares what is about to be done with the plan that was agreed to.
func (r *run) expected() error {
	if r.opts.Expect == nil {
		return nil
	}
	planned := r.opts.Expect.index()
	var errs []error
	for _, o := range r.objects {
		if why := o.deviates(planned[o.ref]); why != "" {
			errs = append(errs, &Error{Op: "compare", Ref: o.ref, Origin: o.origin, Err: fmt.Errorf("%w: %s", ErrPlanOutdated, why)})
		}
	}
	for i, e := range r.leaving {
		p := planned[e.Ref]
		if r.opts.Prune && (p == nil || p.Action != Prune && p.Action != Orphan && p.Action != Skip) {
			errs = append(errs, &Error{Op: "compare", Ref: e.Ref, Err: fmt.Errorf("%w: it would be pruned, and was not to be", ErrPlanOutdated)})
		} else if p != nil && e.UID == "" {
			r.leaving[i].UID = types.UID(p.UID)
		}
	}
	return errors.Join(errs...)
}

func (p *Plan) index() map[inventory.Ref]*PlanObject {
	out := make(map[inventory.Ref]*PlanObject, len(p.Objects))
	for i := range p.Objects {
		out[p.Objects[i].Ref()] = &p.Objects[i]
	}
	return out
}

// deviates says in what an object is no longer as it was planned; "" if it is,
// or if nothing would be done.
func (o *object) deviates(p *PlanObject) string {
	switch {
	case p == nil:
		return "it was not in the set"
	case string(p.Desired) != string(o.digest[:]):
		return "its content was changed in the set"
	case o.action == Unchanged || o.action == Skip:
		return ""
	case o.live == nil && p.UID != "":
		return "it has been deleted"
	case o.live != nil && p.UID == "":
		return "it has been created by somebody"
	case o.live != nil && string(o.live.uid) != p.UID:
		return "it has been replaced by somebody"
	case o.live != nil && p.Action == Unchanged, o.action == Update && p.Action == Update && o.moved(p):
		return "it has been changed by somebody"
	case o.action != p.Action:
		return fmt.Sprintf("the plan's action was %s and would be %s", p.Action, o.action)
	}
	return ""
}

// moved reports whether the live side of an update is no longer as it was
// planned. Objects whose status changes all the time are told by the
// difference, where it is known; that of a Secret is masked, and shows nothing.
func (o *object) moved(p *PlanObject) bool {
	if o.live.rv == p.ResourceVersion {
		return false
	}
	secret := o.ref.Group == "" && o.ref.Kind == "Secret"
	now := PlanObject{Taken: o.taken, Yielded: o.yielded}
	for _, c := range o.diff {
		now.Diff = append(now.Diff, PlanChange(c))
	}
	return secret || len(p.Diff) == 0 || !slices.Equal(now.Taken, p.Taken) || !slices.Equal(now.Yielded, p.Yielded) || !equalJSON(now.Diff, p.Diff)
}

// equalJSON compares values of which one may have been read from JSON.
func equalJSON(a, b any) bool {
	x, errA := json.Marshal(a)
	y, errB := json.Marshal(b)
	return errA == nil && errB == nil && bytes.Equal(x, y)
}
