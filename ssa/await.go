package ssa

import (
	"context"
	"fmt"
	"time"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa/health"
)

// readyTimeout is how long an object waits for what it depends on.
const readyTimeout = time.Minute

// wait waits until everything that was applied is ready.
func (r *run) wait(ctx context.Context) error {
	entries := make([]inventory.Entry, 0, len(r.objects))
	for _, o := range r.objects {
		if o.action != Skip {
			entries = append(entries, o.entry())
		}
	}
	_, err := r.a.await(ctx, entries, health.WaitOptions{
		Timeout: r.opts.WaitTimeout, MayBeGone: r.goneWhenDone, Read: r.opts.Health, OnChange: r.opts.OnHealth,
	})
	return err
}

// goneWhenDone reports whether an object is a Job that the cluster removes when
// it has finished.
func (r *run) goneWhenDone(ref inventory.Ref) bool {
	o := r.byRef[ref]
	return o != nil && ref.Kind == "Job" && ref.Group == "batch" && at(o.desired, "spec", "ttlSecondsAfterFinished") != nil
}

// Wait waits until the objects are ready; see health.Waiter.
func (a *Applier) Wait(ctx context.Context, objects []inventory.Entry, opts health.WaitOptions) ([]health.Observation, error) {
	return a.await(ctx, objects, opts)
}

func (a *Applier) await(ctx context.Context, entries []inventory.Entry, opts health.WaitOptions) ([]health.Observation, error) {
	w, err := health.NewWaiter(a.client.cfg, a.kinds.mapper)
	if err != nil {
		return nil, err
	}
	return w.Wait(ctx, entries, opts)
}

// awaitReady waits until what the object's annotation names is ready.
func (r *run) awaitReady(ctx context.Context, o *object) *Error {
	if len(o.ready) == 0 {
		return nil
	}
	entries := make([]inventory.Entry, 0, len(o.ready))
	for _, ref := range o.ready {
		e, err := r.entryOf(ctx, ref)
		if err != nil {
			return &Error{Op: "apply", Ref: o.ref, Origin: o.origin, Err: fmt.Errorf("%w: %w", ErrDependency, err)}
		}
		entries = append(entries, e)
	}
	if _, err := r.a.await(ctx, entries, health.WaitOptions{Timeout: readyTimeout, Read: r.opts.Health}); err != nil {
		return &Error{Op: "apply", Ref: o.ref, Origin: o.origin, Err: fmt.Errorf("%w: %w", ErrDependency, err)}
	}
	return nil
}

// entryOf finds the version in which an object, of the set or outside it, can
// be read.
func (r *run) entryOf(ctx context.Context, ref inventory.Ref) (inventory.Entry, error) {
	if o, ok := r.byRef[ref]; ok {
		return o.entry(), nil
	}
	version, err := r.a.kinds.preferred(ctx, ref.GroupKind())
	return inventory.Entry{Ref: ref, Version: version}, err
}
