package ssa

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/gitopskit/gitopskit/internal/objwatch"
	"github.com/gitopskit/gitopskit/inventory"
)

// goneTimeout is how long a replacement waits for the finalizers of what it
// replaces.
const goneTimeout = 2 * time.Minute

// removeForReplacement deletes the live object and waits until it is gone.
func (a *Applier) removeForReplacement(ctx context.Context, o *object) error {
	err := a.delete(ctx, o.target, metav1.Preconditions{UID: &o.live.uid}, "")
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete before recreating: %w", err)
	}
	return a.awaitGone(ctx, o.target, o.live.uid)
}

// awaitGone watches an object until it is gone, or another has its name.
func (a *Applier) awaitGone(ctx context.Context, t target, uid types.UID) error {
	inner, cancel := context.WithTimeout(ctx, goneTimeout)
	defer cancel()
	h := &goneHandler{uid: uid, cancel: cancel}
	res := a.client.metadata.Resource(t.gvr).Namespace(t.namespace())
	err := objwatch.Run(inner, objwatch.Collection{
		FieldSelector: "metadata.name=" + t.ref.Name,
		List:          func(ctx context.Context, l metav1.ListOptions) (runtime.Object, error) { return res.List(ctx, l) },
		Watch:         func(ctx context.Context, l metav1.ListOptions) (watch.Interface, error) { return res.Watch(ctx, l) },
	}, h)
	switch {
	case h.gone, apierrors.IsNotFound(err): // the second: its kind is gone, and all objects with it
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case inner.Err() != nil:
		return fmt.Errorf("%w: still there, held by finalizers %v", ErrTerminating, h.finalizers)
	}
	return err
}

// goneHandler ends a watch when an object is gone.
type goneHandler struct {
	uid        types.UID // "" for any
	cancel     func()
	there      bool
	gone       bool
	finalizers []string
}

func (h *goneHandler) BeginList() { h.there = false }

func (h *goneHandler) EndList(string) {
	if !h.there {
		h.end()
	}
}

func (h *goneHandler) Set(o runtime.Object) {
	m, ok := o.(*metav1.PartialObjectMetadata)
	if ok && (h.uid == "" || m.UID == h.uid) {
		h.there, h.finalizers = true, m.Finalizers
	}
}

func (h *goneHandler) Delete(o runtime.Object) {
	if m, ok := o.(*metav1.PartialObjectMetadata); ok && (h.uid == "" || m.UID == h.uid) {
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
// returns an error that names those that are not. Where an entry has a UID,
// another object of its name counts as gone.
func (a *Applier) WaitGone(ctx context.Context, objects []inventory.Entry, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	errs := make([]error, len(objects))
	a.parallel(ctx, len(objects), func(i int) {
		e := objects[i]
		r, err := a.kinds.anyVersion(ctx, e.GroupKind(), e.Version)
		if errors.Is(err, ErrUnknownKind) {
			return
		}
		if err == nil {
			err = a.awaitGone(ctx, target{ref: e.Ref, version: e.Version, resource: r}, e.UID)
		}
		if err != nil {
			errs[i] = &Error{Op: "wait", Ref: e.Ref, Err: err}
		}
	})
	return errors.Join(errs...)
}

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
