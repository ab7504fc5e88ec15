package ssa

import (
	"context"
	"fmt"
	"time"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa/health"
)

// readyTimeout is how long an object waits for what it depends on, unless
// ApplyOptions.WaitTimeout says so.
const readyTimeout = time.Minute

// wait waits until everything that was applied is ready.
func (r *run) wait(ctx context.Context) error {
	entries := make([]inventory.Entry, 0, len(r.objects))
	for _, o := range r.objects {
		if o.action != Skip {
			entries = append(entries, o.entry())
		}
	}
	r.begin(StepWait, r.watched(entries))
	_, err := r.a.await(ctx, entries, r.waiting(health.WaitOptions{
		Timeout: r.opts.WaitTimeout, FailFast: r.opts.WaitFailFast, MayBeGone: r.goneWhenDone, Read: r.opts.Health,
	}))
	return err
}

// watched counts the objects whose status a wait looks at.
func (r *run) watched(entries []inventory.Entry) int {
	n := 0
	for _, e := range entries {
		if r.opts.Health != nil || !health.Static(e.GroupKind()) {
			n++
		}
	}
	return n
}

// waiting returns the options of a wait that tells what it sees.
func (r *run) waiting(opts health.WaitOptions) health.WaitOptions {
	opts.OnChange = r.observer()
	opts.Explain = opts.OnChange != nil
	return opts
}

// observer returns what is to be told of what is waited for; nil if nobody is.
func (r *run) observer() func(health.Observation) {
	if r.opts.OnHealth == nil {
		return nil
	}
	return func(o health.Observation) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.opts.OnHealth(o)
	}
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

// awaitReady waits until what the object's annotation names is ready. What is
// outside the set has to be there at least.
func (r *run) awaitReady(ctx context.Context, o *object) *Error {
	fail := func(err error) *Error {
		return &Error{Op: "apply", Ref: o.ref, Origin: o.origin, Err: fmt.Errorf("%w: %w", ErrDependency, err)}
	}
	entries := make([]inventory.Entry, 0, len(o.ready))
	for _, ref := range o.ready {
		if r.byRef[ref] != nil && r.opts.Health == nil && health.Static(ref.GroupKind()) {
			continue // it was applied, and there is no more to it
		}
		e, err := r.entryOf(ctx, ref)
		if err != nil {
			return fail(err)
		}
		entries = append(entries, e)
	}
	if len(entries) == 0 {
		return nil
	}
	limit := readyTimeout
	if r.opts.WaitTimeout > 0 {
		limit = r.opts.WaitTimeout
	}
	_, err := r.a.await(ctx, entries, r.waiting(health.WaitOptions{
		Timeout: limit, FailFast: r.opts.WaitFailFast, MayBeGone: r.goneWhenDone, Read: r.opts.Health, ReadAll: true,
	}))
	if err != nil {
		return fail(err)
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
