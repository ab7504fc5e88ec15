package ssa

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// A ConflictPolicy says what becomes of a field of the set that another field
// manager owns and that has another value in the cluster.
type ConflictPolicy string

// The policies. Fields of managers that Options.TakeOver names are taken with
// all of them.
const (
	// Take makes the field ours. The default: Git is right.
	Take ConflictPolicy = "take"

	// Fail refuses the object with ErrConflict, naming the fields and who owns
	// them.
	Fail ConflictPolicy = "fail"

	// Yield leaves the field to its owner, and takes it as soon as nobody else
	// owns it. All other fields of the object are applied.
	Yield ConflictPolicy = "yield"
)

// A FieldOwner is a field and the field manager that owns, or owned, it.
type FieldOwner struct {
	Path    string `json:"path"`
	Manager string `json:"manager"`
}

// String returns a text such as
//
//	spec.replicas (kube-controller-manager)
func (f FieldOwner) String() string { return f.Path + " (" + f.Manager + ")" }

func joinOwners(fields []FieldOwner) string {
	texts := make([]string, len(fields))
	for i, f := range fields {
		texts[i] = f.String()
	}
	return strings.Join(texts, ", ")
}

// shapeAttempts bounds how often an object that changes all the time is shaped
// anew, with pauses that grow to half a second between.
const shapeAttempts = 30

// shaped calls send, which sends o, and sees to it that what is sent leaves
// alone what is to be left to others.
func (r *run) shaped(ctx context.Context, o *object, send func() error) error {
	for attempt := 1; ; attempt++ {
		if len(o.ignored) > 0 && o.live != nil && o.payload == nil {
			if err := r.shape(ctx, o, nil); err != nil {
				return err
			}
		}
		err := send()
		if o.live == nil || !apierrors.IsConflict(err) || attempt == shapeAttempts || ctx.Err() != nil {
			return err
		}
		if !apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict) {
			if o.payload == nil {
				return err
			}
			err = nil // the object has changed since it was read
		}
		if err := sleep(ctx, min(time.Duration(attempt-1)*10*time.Millisecond, 500*time.Millisecond)); err != nil {
			return err
		}
		if err := r.shape(ctx, o, err); err != nil {
			return err
		}
	}
}

// shape reads the live object and makes of the desired one what is to be sent:
// without the fields that are left to others, and with the live values of
// ignored fields that are ours alone. It holds for the live object as it was
// read: where a live value or an owner matters, the write is refused if the
// object has changed since.
func (r *run) shape(ctx context.Context, o *object, conflict error) error {
	live, err := r.a.client.get(ctx, o)
	if apierrors.IsNotFound(err) {
		o.payload, o.pin, o.live, o.action, o.forced = nil, "", nil, Create, false
		return nil
	}
	if err != nil {
		return err
	}
	now := r.a.summarize(live)
	o.live = &now
	others, own := r.a.ownersOf(live)
	payload, adopted := leaveIgnored(o, live, others, own)
	if r.policy() != Take && (conflict != nil || o.forced) {
		fields := findContested(payload, live, others)
		if r.policy() == Fail && len(fields) > 0 {
			return contestedError(o, fields, conflict)
		}
		if conflict != nil && len(fields) == 0 && !now.takeOver {
			return conflict // the server knows better
		}
		o.yielded = o.yielded[:0]
		for _, f := range fields {
			payload = without(payload, f.path)
			o.yielded = append(o.yielded, f.FieldOwner)
		}
		o.forced = true
	}
	o.payload, o.pin = identified(payload, live), ""
	if adopted || o.forced {
		o.pin = live.GetResourceVersion()
	}
	return nil
}

// policy returns the set's policy.
func (r *run) policy() ConflictPolicy {
	if r.opts.Conflicts == "" {
		return Take
	}
	return r.opts.Conflicts
}

// noForce reports whether a conflict is to be answered by an error.
func (r *run) noForce(o *object) bool { return r.policy() != Take && !o.forced }

// leaveIgnored returns the desired object without what the rules say is none
// of its business. Adopted tells that live values were put in.
func leaveIgnored(o *object, live *unstructured.Unstructured, others map[string][]owned, own owned) (out map[string]any, adopted bool) {
	out = o.desired
	for _, p := range o.ignored {
		value, there := lookUp(live.Object, p)
		if there && own.has(p) && !ownedByAny(others, p) {
			out, _ = with(out, p, value, true).(map[string]any)
			adopted = true
		} else {
			out = without(out, p)
		}
	}
	return out, adopted
}

func ownedByAny(others map[string][]owned, p fieldPath) bool {
	for _, trees := range others {
		if slices.ContainsFunc(trees, func(o owned) bool { return o.has(p) }) {
			return true
		}
	}
	return false
}

type contestedField struct {
	path fieldPath
	FieldOwner
}

func findContested(payload map[string]any, live *unstructured.Unstructured, others map[string][]owned) []contestedField {
	var out []contestedField
	for manager, trees := range others {
		for _, tree := range trees {
			for _, p := range contested(tree, payload, live.Object, nil) {
				out = append(out, contestedField{path: p, FieldOwner: FieldOwner{Path: p.String(), Manager: manager}})
			}
		}
	}
	slices.SortFunc(out, func(a, b contestedField) int { return strings.Compare(a.String(), b.String()) })
	return out
}

func contestedError(o *object, fields []contestedField, cause error) error {
	e := &Error{Op: "validate", Ref: o.ref, Origin: o.origin}
	var owners []FieldOwner
	for _, f := range fields {
		e.Fields = append(e.Fields, f.Path)
		owners = append(owners, f.FieldOwner)
	}
	text := joinOwners(owners) + "; leave them out, or change ApplyOptions.Conflicts"
	e.Err = &apiCause{kind: ErrConflict, text: text, err: errors.Join(cause)}
	return e
}

// identified returns what is sent with the UID of the live object that it was
// made for, so that it is not taken for one to be created.
func identified(payload map[string]any, live *unstructured.Unstructured) map[string]any {
	meta, _ := payload["metadata"].(map[string]any)
	meta = maps.Clone(meta)
	meta["uid"] = string(live.GetUID())
	out, _ := with(payload, fieldPath{{key: "metadata"}}, meta, true).(map[string]any)
	return out
}

// takenFields returns the fields that other managers lose by an apply.
func (a *Applier) takenFields(live, merged *unstructured.Unstructured) []FieldOwner {
	type key struct{ manager, operation, version, sub string }
	keyOf := func(e metav1.ManagedFieldsEntry) key {
		return key{e.Manager, string(e.Operation), e.APIVersion, e.Subresource}
	}
	after := map[key]*fieldpath.Set{}
	for _, e := range merged.GetManagedFields() {
		if set, err := decodeFields(e.FieldsV1); err == nil {
			after[keyOf(e)] = set
		}
	}
	var out []FieldOwner
	for _, e := range live.GetManagedFields() {
		before, err := decodeFields(e.FieldsV1)
		if err != nil || a.isOwn(e) || e.Subresource == "status" {
			continue
		}
		if now := after[keyOf(e)]; now != nil {
			before = before.Difference(now)
		}
		before.Leaves().Iterate(func(p fieldpath.Path) {
			out = append(out, FieldOwner{Path: strings.ReplaceAll(strings.TrimPrefix(p.String(), "."), `"`, ""), Manager: e.Manager})
		})
	}
	return out
}

func unknownPolicy(p ConflictPolicy) error {
	switch p {
	case "", Take, Fail, Yield:
		return nil
	}
	return fmt.Errorf("ssa: ApplyOptions.Conflicts: %q is none of %s, %s, %s", p, Take, Fail, Yield)
}
