package ssa

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa/health"
)

// isDefinition reports whether ref is that of a CustomResourceDefinition.
func isDefinition(ref inventory.Ref) bool {
	return ref.Group == "apiextensions.k8s.io" && ref.Kind == "CustomResourceDefinition"
}

// undefine marks the objects whose definition is in the set and has yet to be
// created: what is known of their kind, from before the definition was deleted
// perhaps, is no longer so, and they are gone with it.
func (r *run) undefine() {
	comes := map[schema.GroupKind]bool{}
	for _, o := range r.objects {
		if isDefinition(o.ref) && o.action == Create && !r.failed(o) {
			comes[schema.GroupKind{Group: text(o.desired, "spec", "group"), Kind: text(o.desired, "spec", "names", "kind")}] = true
		}
	}
	for _, o := range r.objects {
		gk := o.ref.GroupKind()
		if !comes[gk] || o.undefined() || o.marks&markIgnore != 0 || r.failed(o) {
			continue
		}
		r.a.kinds.forget(gk)
		o.unknown = fmt.Errorf("%w: its definition is still to come", ErrUnknownKind)
		o.live, o.action, o.sure = nil, Create, true
		r.result.Objects[o.index] = ObjectResult{Ref: o.ref, Version: o.version, Action: None}
	}
}

// An awaitedKind is a kind that a definition of the set brings. Its objects
// wait for it once, together.
type awaitedKind struct {
	once sync.Once
	res  resource
	err  error
}

// awaitKind waits until the cluster serves the kind of o, whose definition is
// in the set, and finds out about o what could not be found out before.
func (r *run) awaitKind(ctx context.Context, o *object) *Error {
	r.mu.Lock()
	k := r.awaited[o.gvk()]
	if k == nil {
		k = &awaitedKind{}
		r.awaited[o.gvk()] = k
	}
	r.mu.Unlock()
	k.once.Do(func() { k.res, k.err = r.awaitServed(ctx, o) })
	if k.err != nil {
		return &Error{Op: "apply", Ref: o.ref, Origin: o.origin, Err: k.err}
	}
	o.resource, o.unknown = k.res, nil
	if err := r.surveyLate(ctx, o); err != nil {
		return err
	}
	if r.opts.SkipValidation || o.settled() {
		return nil
	}
	return r.validateOne(ctx, o)
}

// surveyLate looks at the live side of an object of a kind that was not served
// when the others were looked at. There can be one only if its definition is
// older than this run: it was served in another version.
func (r *run) surveyLate(ctx context.Context, o *object) *Error {
	for _, on := range o.after {
		if isDefinition(on.ref) && on.action == Create {
			return nil
		}
	}
	m, err := r.a.client.getMeta(ctx, o.target)
	if err != nil {
		return apiError("read", o, err)
	}
	return r.judgeLive(o, m, nil)
}

// awaitServed waits until the definition of o's kind is established and
// objects of the kind can be read, and has the kind watched while Watch runs.
func (r *run) awaitServed(ctx context.Context, o *object) (resource, error) {
	var definition []inventory.Entry
	for _, on := range o.after {
		if isDefinition(on.ref) {
			definition = append(definition, on.entry())
		}
	}
	if _, err := r.a.await(ctx, definition, r.waiting(health.WaitOptions{Timeout: readyTimeout})); err != nil {
		return resource{}, fmt.Errorf("%w: %w", ErrDependency, err)
	}
	// Discovery, and what serves the objects, lag behind the definition by a moment.
	pause, deadline := retryFirst, time.Now().Add(readyTimeout)
	for {
		res, err := r.served(ctx, o)
		if err == nil {
			if r.opts.Set != "" {
				t := o.target
				t.resource = res
				r.a.state.follow(t)
			}
			return res, nil
		}
		if !errors.Is(err, ErrUnknownKind) && !isNotServed(err) || time.Now().After(deadline) {
			return resource{}, err
		}
		if err := sleep(ctx, pause); err != nil {
			return resource{}, err
		}
		pause = min(pause*2, 2*time.Second)
	}
}

// served looks o's kind up anew and asks for objects of it.
func (r *run) served(ctx context.Context, o *object) (resource, error) {
	r.a.kinds.forget(o.ref.GroupKind())
	res, err := r.a.kinds.resource(ctx, o.gvk())
	if err != nil {
		return resource{}, err
	}
	err = retry(ctx, func() error {
		_, err := r.a.client.metadata.Resource(res.gvr).List(ctx, metav1.ListOptions{Limit: 1})
		return err
	})
	if apierrors.IsForbidden(err) { // it is served, and that is all that is asked
		err = nil
	}
	return res, err
}

// isNotServed tells the answer to a request for a kind that the API server does
// not serve from that to one for an object that is not there.
func isNotServed(err error) bool {
	return apierrors.IsNotFound(err) && apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}
