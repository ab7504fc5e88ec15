package ssa

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gitopskit/gitopskit/inventory"
)

// An Action is what was done with an object, or would be.
type Action string

// The actions. With an error in the same ObjectResult, it is what was tried.
const (
	Create    Action = "create"
	Update    Action = "update"
	Recreate  Action = "recreate" // deleted and created anew
	Unchanged Action = "unchanged"
	Skip      Action = "skip" // left alone, for the reason given
	Prune     Action = "prune"
	Orphan    Action = "orphan"   // left the set, and was let go (see ApplyOptions.Orphan)
	Conflict  Action = "conflict" // refused: others own it, or fields of it (see Adoption, ConflictPolicy)
	None      Action = "none"     // not come to: an error came before, or the context ended
)

// An ObjectResult says what became of one object.
type ObjectResult struct {
	Ref             inventory.Ref
	Version         string // API version without group
	Action          Action
	Reason          string        // why, where the action alone does not say
	UID             types.UID     // of the live object; "" if there was none
	ResourceVersion string        // after the write; before it, where that was not done
	Duration        time.Duration // of the writing, waiting in queues and for others included; also where that has failed
	Diff            []Change      // with ApplyOptions.Diff; nil for objects created or pruned
	Taken           []FieldOwner  // with ApplyOptions.Diff: what other managers owned and we own now
	Yielded         []FieldOwner  // what was left to others by the policy Yield
	Err             error         // an *Error, or nil
}

// String returns a line such as
//
//	update Deployment/shop/web
func (r ObjectResult) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", r.Action, r.Ref)
	if r.Reason != "" {
		fmt.Fprintf(&b, " (%s)", r.Reason)
	}
	if r.Err != nil {
		fmt.Fprintf(&b, ": %v", r.Err)
	}
	return b.String()
}

// A Result says what became of every object of a set. It is complete also
// where the call that returned it failed: what was not come to is there with
// the action None.
type Result struct {
	// Objects has the set's objects in the order in which they were given, and
	// then those pruned.
	Objects []ObjectResult

	// Inventory is what the set owns now.
	Inventory *inventory.Inventory
}

// Count returns how many objects have one of the given actions and no error.
func (r *Result) Count(actions ...Action) int {
	n := 0
	for i := range r.Objects {
		for _, a := range actions {
			if r.Objects[i].Action == a && r.Objects[i].Err == nil {
				n++
			}
		}
	}
	return n
}

// Changed reports whether anything in the cluster was written.
func (r *Result) Changed() bool { return r.Count(Create, Update, Recreate, Prune, Orphan) > 0 }

// Failed returns the objects that have an error.
func (r *Result) Failed() []ObjectResult {
	var out []ObjectResult
	for _, o := range r.Objects {
		if o.Err != nil {
			out = append(out, o)
		}
	}
	return out
}

// Summary returns what was done in a line, such as
//
//	3 created, 1 updated, 12 unchanged, 2 pruned
func (r *Result) Summary() string {
	var parts []string
	for _, c := range []struct {
		action Action
		word   string
	}{{Create, "created"}, {Update, "updated"}, {Recreate, "recreated"}, {Unchanged, "unchanged"}, {Skip, "skipped"}, {Prune, "pruned"}, {Orphan, "orphaned"}} {
		if n := r.Count(c.action); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, c.word))
		}
	}
	if n := len(r.Failed()); n > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", n))
	}
	if len(parts) == 0 {
		return "nothing to do"
	}
	return strings.Join(parts, ", ")
}

// err joins the errors of all objects, in their order.
func (r *Result) err() error {
	var errs []error
	for _, o := range r.Objects {
		if o.Err != nil {
			errs = append(errs, o.Err)
		}
	}
	return errors.Join(errs...)
}
