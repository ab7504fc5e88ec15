package ssa

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitopskit/gitopskit/inventory"
)

// ErrPlanOutdated is wrapped by errors of an Apply with ApplyOptions.Expect
// where the set or the cluster is no longer what the plan was made for.
var ErrPlanOutdated = errors.New("the plan is outdated")

// A Plan says what an Apply would do. It can be shown, written down as JSON, and
// held against what is there when it is carried out, by ApplyOptions.Expect.
// Values of Secrets are masked in it.
type Plan struct {
	Set     string       `json:"set,omitempty"`
	Objects []PlanObject `json:"objects"`
}

// A PlanObject is what a plan has in mind for one object.
type PlanObject struct {
	Group     string       `json:"group,omitempty"`
	Version   string       `json:"version"`
	Kind      string       `json:"kind"`
	Namespace string       `json:"namespace,omitempty"`
	Name      string       `json:"name"`
	Action    Action       `json:"action"`
	Reason    string       `json:"reason,omitempty"`
	Diff      []PlanChange `json:"diff,omitempty"`
	Taken     []FieldOwner `json:"taken,omitempty"`   // fields that would become ours
	Yielded   []FieldOwner `json:"yielded,omitempty"` // fields that would be left to others
	Error     string       `json:"error,omitempty"`

	// UID and ResourceVersion are those of the live object that the plan was
	// made for; "" if there was none.
	UID             string `json:"uid,omitempty"`
	ResourceVersion string `json:"resourceVersion,omitempty"`
	// Desired is a digest of the content that is to be applied. Whoever reads it can
	// try guesses at a Secret that is easily guessed, as with any digest; text and
	// Markdown do not have it.
	Desired []byte `json:"desired,omitempty"`
}

// A PlanChange is a Change in JSON.
type PlanChange struct {
	Path string `json:"path"`
	Old  any    `json:"old,omitempty"`
	New  any    `json:"new,omitempty"`
}

// Ref returns the object's Ref.
func (o *PlanObject) Ref() inventory.Ref {
	return inventory.Ref{Group: o.Group, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name}
}

// Plan finds out what Apply would do with the same arguments, and writes
// nothing. The plan is complete also where an error is returned, which joins
// those of all objects that would be refused.
func (a *Applier) Plan(ctx context.Context, objects []*unstructured.Unstructured, opts ApplyOptions) (*Plan, error) {
	opts.DryRun, opts.Diff, opts.Wait, opts.Expect = true, true, false, nil
	r := newRun(ctx, a, objects, opts)
	result, err := r.finish(ctx, r.do(ctx))
	plan := &Plan{Set: opts.Set}
	desired := make(map[inventory.Ref]*object, len(r.objects))
	for _, o := range r.objects {
		desired[o.ref] = o
	}
	for _, res := range result.Objects {
		plan.Objects = append(plan.Objects, planObject(res, desired[res.Ref]))
	}
	return plan, err
}

func planObject(res ObjectResult, o *object) PlanObject {
	p := PlanObject{
		Group: res.Ref.Group, Version: res.Version, Kind: res.Ref.Kind, Namespace: res.Ref.Namespace, Name: res.Ref.Name,
		Action: res.Action, Reason: res.Reason, Taken: res.Taken, Yielded: res.Yielded, UID: string(res.UID), ResourceVersion: res.ResourceVersion,
	}
	if res.Err != nil {
		p.Error = res.Err.Error()
	}
	for _, c := range res.Diff {
		p.Diff = append(p.Diff, PlanChange(c))
	}
	if o != nil {
		p.Desired = o.digest[:]
	}
	return p
}

// Changes reports whether carrying out the plan would change anything.
func (p *Plan) Changes() bool {
	for i := range p.Objects {
		switch p.Objects[i].Action {
		case Create, Update, Recreate, Prune, Orphan:
			return true
		}
	}
	return false
}

// Encode returns the plan as JSON, for DecodePlan.
func (p *Plan) Encode() ([]byte, error) { return json.MarshalIndent(p, "", "  ") }

// DecodePlan reads what Encode wrote.
func DecodePlan(data []byte) (*Plan, error) {
	p := &Plan{}
	if err := json.Unmarshal(data, p); err != nil {
		return nil, fmt.Errorf("ssa: read plan: %w", err)
	}
	return p, nil
}

// rehearsed fills in what a dry run has found out.
func (r *run) rehearsed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range r.objects {
		res := &r.result.Objects[o.index]
		if res.Action == None && o.action != "" {
			res.Action = o.action
		}
		if o.action == Update {
			res.Diff, res.Taken = o.diff, o.taken
			if o.live != nil && o.live.takeOver && len(o.diff) == 0 {
				res.Reason = "takes over fields of other managers"
			}
		}
		r.seen(o, res)
	}
}
