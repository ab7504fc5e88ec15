package ssa

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/gitopskit/gitopskit/internal/objwatch"
	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa/health"
)

// goneTimeout is how long a replacement waits for the finalizers of what it
// replaces.
const goneTimeout = 2 * time.Minute

// removeForReplacement deletes the live object and waits until it is gone.
func (a *Applier) removeForReplacement(ctx context.Context, o *object, tell func(health.Observation)) error {
	err := a.delete(ctx, o.target, metav1.Preconditions{UID: &o.live.uid}, "")
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete before recreating: %w", err)
	}
	return a.awaitGone(ctx, o.target, o.live.uid, goneTimeout, tell)
}

// awaitGone watches an object until it is gone, or another has its name, for at
// most the given time. The error tells what holds it, and so is tell told, which
// may be nil, while that lasts.
func (a *Applier) awaitGone(ctx context.Context, t target, uid types.UID, limit time.Duration, tell func(health.Observation)) error {
	inner, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	h := &goneHandler{target: t, uid: uid, cancel: cancel, tell: tell}
	err := objwatch.Run(inner, a.single(t), h)
	held := &TerminatingError{Ref: t.ref, Held: h.held}
	switch {
	case h.gone, apierrors.IsNotFound(err): // the second: its kind is gone, and all objects with it
		return nil
	case ctx.Err() != nil && h.there:
		return fmt.Errorf("%w: %w", context.Cause(ctx), held)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case inner.Err() != nil:
		return held
	}
	return err
}

// single is the collection that has but one object: its metadata, or all of it
// if that tells more of what holds it.
func (a *Applier) single(t target) objwatch.Collection {
	c := objwatch.Collection{FieldSelector: "metadata.name=" + t.ref.Name}
	if holdingConditions[t.ref.GroupKind()] != nil {
		res := a.client.dynamic.Resource(t.gvr)
		c.List = func(ctx context.Context, l metav1.ListOptions) (runtime.Object, error) { return res.List(ctx, l) }
		c.Watch = func(ctx context.Context, l metav1.ListOptions) (watch.Interface, error) { return res.Watch(ctx, l) }
		return c
	}
	res := a.client.metadata.Resource(t.gvr).Namespace(t.namespace())
	c.List = func(ctx context.Context, l metav1.ListOptions) (runtime.Object, error) { return res.List(ctx, l) }
	c.Watch = func(ctx context.Context, l metav1.ListOptions) (watch.Interface, error) { return res.Watch(ctx, l) }
	return c
}

// goneHandler ends a watch when an object is gone.
type goneHandler struct {
	target
	uid    types.UID // "" for any
	tell   func(health.Observation)
	cancel func()
	there  bool
	gone   bool
	held   []string
}

func (h *goneHandler) BeginList() { h.there = false }

func (h *goneHandler) EndList(string) {
	if !h.there {
		h.end()
	}
}

func (h *goneHandler) Set(o runtime.Object) {
	if m, ok := o.(metav1.Object); ok && (h.uid == "" || m.GetUID() == h.uid) {
		h.there, h.held = true, holds(h.ref, m)
		if h.tell != nil && len(h.held) > 0 {
			h.tell(health.Observation{Ref: h.ref, Version: h.version, Report: health.Report{
				Status: health.Terminating, Message: "held by " + strings.Join(h.held, "; "),
			}})
		}
	}
}

func (h *goneHandler) Delete(o runtime.Object) {
	if m, ok := o.(metav1.Object); ok && (h.uid == "" || m.GetUID() == h.uid) {
		h.end()
	}
}

func (h *goneHandler) end() {
	h.gone = true
	h.cancel()
}

func (h *goneHandler) Down(error) {}
func (h *goneHandler) Up()        {}

// WaitGone waits until the objects are gone, for at most the given time, and
// returns an error that names those that are not, with a *TerminatingError for
// each that says what holds it: of a namespace, what is left in it. Where an entry
// has a UID, another object of its name counts as gone.
func (a *Applier) WaitGone(ctx context.Context, objects []inventory.Entry, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	errs := make([]error, len(objects))
	for i, e := range objects {
		errs[i] = &Error{Op: "wait", Ref: e.Ref, Err: errNotLookedAt}
	}
	a.parallel(ctx, len(objects), func(i int) {
		e := objects[i]
		r, err := a.kinds.anyVersion(ctx, e.GroupKind(), e.Version)
		if err == nil {
			err = a.awaitGone(ctx, target{ref: e.Ref, version: e.Version, resource: r}, e.UID, limit, nil)
		}
		if err == nil || errors.Is(err, ErrUnknownKind) {
			errs[i] = nil
			return
		}
		errs[i] = &Error{Op: "wait", Ref: e.Ref, Err: err}
	})
	return errors.Join(errs...)
}

var errNotLookedAt = errors.New("the wait was over before it was looked at")

// parallel calls f for 0 to n-1, several at a time, and begins no more once
// ctx has ended.
func (a *Applier) parallel(ctx context.Context, n int, f func(i int)) {
	objects := make([]*object, n)
	for i := range objects {
		objects[i] = &object{index: i}
	}
	(&run{a: a}).each(ctx, objects, func(_ context.Context, o *object) *Error {
		f(o.index)
		return nil
	})
}
