package ssa

import (
	"context"
	"fmt"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitopskit/gitopskit/inventory"
)

// A TerminatingError says that something is not yet gone, and what holds it: the
// object itself, or the namespace that an object is in. It wraps ErrTerminating.
type TerminatingError struct {
	Ref  inventory.Ref // what is being deleted
	Held []string      // by what, as far as that is known: its finalizers, and what the API says of its content
}

// Error returns a line such as
//
//	being deleted: Namespace/shop, held by: Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances
func (e *TerminatingError) Error() string {
	s := ErrTerminating.Error() + ": " + e.Ref.String()
	if len(e.Held) == 0 {
		return s
	}
	return s + ", held by: " + strings.Join(e.Held, "; ")
}

// Unwrap returns ErrTerminating.
func (e *TerminatingError) Unwrap() error { return ErrTerminating }

// holdingConditions are the conditions by which namespaces and definitions tell
// what their deletion waits for.
var holdingConditions = map[schema.GroupKind][]string{
	{Kind: "Namespace"}: {
		"NamespaceDeletionDiscoveryFailure", "NamespaceDeletionGroupVersionParsingFailure", "NamespaceDeletionContentFailure",
		"NamespaceContentRemaining", "NamespaceFinalizersRemaining",
	},
	{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}: {"Terminating"},
}

// holds returns what holds an object that is being deleted. The content of
// namespaces and definitions is known only if obj is whole.
func holds(ref inventory.Ref, obj metav1.Object) []string {
	var out []string
	for _, f := range obj.GetFinalizers() {
		out = append(out, "finalizer "+f)
	}
	whole, ok := obj.(*unstructured.Unstructured)
	if !ok {
		return out
	}
	for _, want := range holdingConditions[ref.GroupKind()] {
		for _, c := range list(whole.Object, "status", "conditions") {
			if text(c, "type") == want && text(c, "status") == "True" {
				out = append(out, text(c, "message"))
			}
		}
	}
	return out
}

// terminating reads what holds an object that is being deleted. What can't be
// read is left out of the error.
func (a *Applier) terminating(ctx context.Context, t target) *TerminatingError {
	e := &TerminatingError{Ref: t.ref}
	if obj, err := a.client.getWhole(ctx, t); err == nil && obj.GetDeletionTimestamp() != nil {
		e.Held = holds(t.ref, obj)
	}
	return e
}

// mostLookedAt bounds of how many objects it is read what holds them.
const mostLookedAt = 20

// errDeleting says why an object of the set can't be applied.
func (r *run) errDeleting(ctx context.Context, o *object) error {
	if holdingConditions[o.ref.GroupKind()] == nil && r.lookedAt.Add(1) > mostLookedAt {
		return fmt.Errorf("%w; it can be applied again when it is gone", &TerminatingError{Ref: o.ref})
	}
	return fmt.Errorf("%w; it can be applied again when it is gone", r.a.terminating(ctx, o.target))
}

// explain adds to the refusal of an object in a namespace that is being deleted
// what holds that namespace. It is read once for all objects.
func (r *run) explain(ctx context.Context, o *object, e *Error) *Error {
	if !apierrors.HasStatusCause(e.Err, "NamespaceTerminating") || ctx.Err() != nil {
		return e
	}
	r.mu.Lock()
	held := r.held[o.ref.Namespace]
	if held == nil {
		held = sync.OnceValue(func() *TerminatingError {
			return r.a.terminating(ctx, namespaceTarget(o.ref.Namespace))
		})
		r.held[o.ref.Namespace] = held
	}
	r.mu.Unlock()
	e.Err = &apiCause{kind: held(), err: e.Err}
	return e
}

func namespaceTarget(name string) target {
	return target{
		ref: inventory.Ref{Kind: "Namespace", Name: name}, version: "v1",
		resource: resource{gvr: schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}},
	}
}
