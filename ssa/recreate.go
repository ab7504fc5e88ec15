package ssa

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/gitopskit/gitopskit/internal/objwatch"
)

// goneTimeout is how long a replacement waits for the finalizers of what it
// replaces.
const goneTimeout = 2 * time.Minute

// removeForReplacement deletes the live object and waits until it is gone.
func (a *Applier) removeForReplacement(ctx context.Context, o *object) error {
	err := a.delete(ctx, o.target, o.live.uid)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete before recreating: %w", err)
	}
	return a.awaitGone(ctx, o)
}

// awaitGone watches an object until it is gone, or another has its name.
func (a *Applier) awaitGone(ctx context.Context, o *object) error {
	inner, cancel := context.WithTimeout(ctx, goneTimeout)
	defer cancel()
	h := &goneHandler{uid: string(o.live.uid), cancel: cancel}
	res := a.client.metadata.Resource(o.gvr).Namespace(o.namespace())
	err := objwatch.Run(inner, objwatch.Collection{
		FieldSelector: "metadata.name=" + o.ref.Name,
		List:          func(ctx context.Context, l metav1.ListOptions) (runtime.Object, error) { return res.List(ctx, l) },
		Watch:         func(ctx context.Context, l metav1.ListOptions) (watch.Interface, error) { return res.Watch(ctx, l) },
	}, h)
	switch {
	case h.gone:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case inner.Err() != nil:
		return fmt.Errorf("%w: still there after %s, held by finalizers %v", ErrTerminating, goneTimeout, h.finalizers)
	}
	return err
}

// goneHandler ends a watch when an object is gone.
type goneHandler struct {
	uid        string
	cancel     func()
	there      bool
	gone       bool
	finalizers []string
}

func (h *goneHandler) BeginList() { h.there = false }

func (h *goneHandler) EndList() {
	if !h.there {
		h.end()
	}
}

func (h *goneHandler) Set(o runtime.Object) {
	m, ok := o.(*metav1.PartialObjectMetadata)
	if ok && string(m.UID) == h.uid {
		h.there, h.finalizers = true, m.Finalizers
	}
}

func (h *goneHandler) Delete(o runtime.Object) {
	if m, ok := o.(*metav1.PartialObjectMetadata); ok && string(m.UID) == h.uid {
		h.end()
	}
}

func (h *goneHandler) end() {
	h.gone = true
	h.cancel()
}

func (h *goneHandler) Down(error) {}
func (h *goneHandler) Up()        {}
