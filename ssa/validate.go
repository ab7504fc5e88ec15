package ssa

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/gitopskit/gitopskit/inventory"
)

// validate asks the server what it would make of everything that may have to
// be written, and settles for each object whether it must be.
func (r *run) validate(ctx context.Context) {
	r.each(ctx, r.pending(), func(ctx context.Context, o *object) *Error {
		if o.undefined() || (r.opts.SkipValidation && !r.opts.DryRun && !r.opts.Diff) {
			return nil
		}
		return r.validateOne(ctx, o)
	})
}

func (r *run) validateOne(ctx context.Context, o *object) *Error {
	if o.live != nil && o.live.deleting {
		return &Error{Op: "validate", Ref: o.ref, Origin: o.origin, Err: r.errDeleting(ctx, o)}
	}
	if r.namespaceComes(o) {
		return r.validateElsewhere(ctx, o)
	}
	err := r.shaped(ctx, o, func() error {
		if r.opts.Diff && o.live != nil {
			return r.compare(ctx, o)
		}
		return r.rehearse(ctx, o)
	})
	if err == nil {
		return nil
	}
	var refused *Error
	if errors.As(err, &refused) {
		o.action = Conflict
		return refused
	}
	if rejectsDryRuns(err) || lacksWhatComes(o, err) {
		r.unrehearsed(o, err)
		return nil
	}
	if isOldFields(err) {
		return r.validateOldFields(ctx, o, err)
	}
	if errors.Is(classify(err), ErrImmutable) && r.mayRecreate(o) {
		return r.validateReplacement(ctx, o, err)
	}
	e := r.explain(ctx, o, apiError("validate", o, err))
	if errors.Is(e, ErrConflict) {
		o.action = Conflict
	}
	return e
}

// rejectsDryRuns reports whether an admission webhook was refused for a dry run,
// or has refused the object, only because it was one: that says nothing about
// the object.
func rejectsDryRuns(err error) bool {
	text := strings.ToLower(err.Error())
	if apierrors.IsBadRequest(err) && strings.Contains(text, "does not support dry run") {
		return true
	}
	names := func(s string) bool { return strings.Contains(text, s) }
	return deniedByWebhook(err) && slices.ContainsFunc([]string{"dry run", "dry-run", "dryrun"}, names)
}

// lacksWhatComes reports whether admission may have refused an object only
// because something that it needs is still to be created: a Pod's
// ServiceAccount or PriorityClass, or the role whose rights an account that may
// grant no others has to have itself.
func lacksWhatComes(o *object, err error) bool {
	refused := apierrors.IsForbidden(err) || apierrors.IsNotFound(err) && !isNamespaceMissing(err)
	missing := strings.Contains(err.Error(), "not found") || strings.Contains(err.Error(), "was found") // no PriorityClass with name … was found
	return refused && missing && slices.ContainsFunc(o.after, func(on *object) bool { return on.action == Create })
}

// unrehearsed notes that only writing an object will show what comes of it.
func (r *run) unrehearsed(o *object, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Objects[o.index].Reason = "not validated: " + err.Error()
}

// rehearse sends a dry run and learns from its answer whether the apply would
// change anything: the server moves the time of our managedFields entry if
// so, and leaves it as it was if not.
func (r *run) rehearse(ctx context.Context, o *object) error {
	body, err := o.body(true)
	if err != nil {
		return err
	}
	ans, err := r.a.client.apply(ctx, o, patch{dryRun: true, noForce: r.noForce(o), body: body})
	if err != nil || o.live == nil || o.sure {
		return err
	}
	after := r.a.summarize(ans.meta)
	if after.ownTime != o.live.ownTime {
		ans = r.a.client.clock.check(ans, after.ownTime)
	}
	moved := after.generation != o.live.generation
	switch {
	case (moved || after.own != o.live.own) && hasNothings(o.desired) && (!moved || looseGenerations[o.ref.Kind]):
		return r.compare(ctx, o)
	case moved || after.own != o.live.own || after.uid != o.live.uid:
		o.sure = true
	case ans.tells(o.live.ownTime):
		r.inSync(o, after, ans)
	default: // written within this very second: the time tells nothing
		return r.compare(ctx, o)
	}
	return nil
}

// looseGenerations are kinds for which the API server takes an empty list and
// none for different when it counts generations.
var looseGenerations = map[string]bool{
	"NetworkPolicy": true, "MutatingWebhookConfiguration": true, "ValidatingWebhookConfiguration": true,
}

// hasNothings reports whether the content of an object has values that the API
// server may not store, such as an empty list. It moves the time of our entry
// then whenever the object is applied.
func hasNothings(obj map[string]any) bool {
	for k, v := range obj {
		if k != "metadata" && isNothing(v) {
			return true
		}
	}
	return false
}

// isNothing reports whether a value is null or empty, or has such a one in it.
func isNothing(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case []any:
		return len(v) == 0 || slices.ContainsFunc(v, isNothing)
	case map[string]any:
		for _, child := range v {
			if isNothing(child) {
				return true
			}
		}
		return len(v) == 0
	}
	return false
}

func (r *run) inSync(o *object, live liveMeta, ans answer) {
	o.live = &live
	r.unchanged(o)
	if r.opts.Set != "" {
		r.a.state.saw(r.opts.Set, o, live, ans.at)
	}
}

// namespaceComes reports whether o's namespace is in the set and not yet in
// the cluster.
func (r *run) namespaceComes(o *object) bool {
	if o.ref.Namespace == "" {
		return false
	}
	ns := r.byRef[inventory.Ref{Kind: "Namespace", Name: o.ref.Namespace}]
	return ns != nil && ns.action == Create
}

// elsewhere is a namespace that every cluster has.
const elsewhere = "default"

// validateElsewhere validates an object whose namespace is still to be made,
// by a dry run of its creation in another namespace. Where the account may not
// do that, the object is validated only when it is applied.
func (r *run) validateElsewhere(ctx context.Context, o *object) *Error {
	err := r.a.client.dryCreate(ctx, r.moved(o, elsewhere), renamed(o.desired, elsewhere))
	if err == nil || apierrors.IsForbidden(err) || apierrors.IsNotFound(err) || rejectsDryRuns(err) {
		return nil
	}
	return apiError("validate", o, err)
}

func (r *run) moved(o *object, namespace string) *object {
	m := *o
	m.ref.Namespace = namespace
	return &m
}

// renamed returns a copy of an object under a name that nothing has.
func renamed(desired map[string]any, namespace string) map[string]any {
	out := maps.Clone(desired)
	meta, _ := desired["metadata"].(map[string]any)
	meta = maps.Clone(meta)
	var salt [4]byte
	rand.Read(salt[:]) // never fails
	name, _ := meta["name"].(string)
	meta["name"] = name[:min(len(name), 40)] + hex.EncodeToString(salt[:])
	if namespace != "" {
		meta["namespace"] = namespace
	}
	out["metadata"] = meta
	return out
}
