package ssa

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// write applies everything that has to be, each object as soon as what it
// waits for is there.
func (r *run) write(ctx context.Context) {
	pending := r.pending()
	if len(pending) == 0 {
		return
	}
	r.begin(StepWrite, len(pending))
	r.writeAll(ctx, pending)
}

func (r *run) writeAll(ctx context.Context, objects []*object) {
	s := newSchedule(objects)
	s.drive(ctx, r.a.opts.Concurrency, func(o *object) { r.writeOne(ctx, o) }, func(o *object) bool {
		if r.failed(o) {
			r.abandon(s.fail(o), o)
			return r.opts.ContinueOnError
		}
		s.done(o)
		return true
	})
}

// abandon gives up objects that waited for one that failed.
func (r *run) abandon(waiting []*object, on *object) {
	for _, o := range waiting {
		r.fail(o, &Error{Op: "apply", Ref: o.ref, Origin: o.origin, Err: fmt.Errorf("%w: %s failed", ErrDependency, on.ref)})
	}
}

// writeOne brings one object into the cluster and records how that went.
func (r *run) writeOne(ctx context.Context, o *object) {
	o.began = time.Now()
	if o.undefined() {
		if err := r.awaitKind(ctx, o); err != nil {
			r.failUnlessStopped(ctx, o, err)
			return
		}
		if o.settled() {
			return
		}
	}
	if err := r.awaitReady(ctx, o); err != nil {
		r.failUnlessStopped(ctx, o, err)
		return
	}
	if r.opts.Set != "" {
		r.a.state.begin(r.opts.Set, o.ref)
	}
	ans, err := r.send(ctx, o)
	var rec *record
	if err == nil {
		live := r.a.summarize(ans.meta)
		if ans.created || o.live != nil && live.ownTime != o.live.ownTime {
			ans = r.a.client.clock.check(ans, live.ownTime)
		}
		rec = newRecord(o, live, ans.at)
		r.wrote(o, ans, live, time.Since(o.began))
	}
	if r.opts.Set != "" {
		r.a.state.end(o.ref, rec)
	}
	if err != nil {
		r.unwritten(ctx, o, err)
	}
}

// failUnlessStopped records an error, unless it only says that the context has
// ended.
func (r *run) failUnlessStopped(ctx context.Context, o *object, err *Error) {
	if ctx.Err() == nil {
		r.fail(o, err)
	}
}

func (r *run) send(ctx context.Context, o *object) (answer, error) {
	if o.live != nil && o.live.deleting {
		return answer{}, r.errDeleting(ctx, o)
	}
	if o.action == Recreate {
		if err := r.a.removeForReplacement(ctx, o, r.observer()); err != nil {
			return answer{}, err
		}
	}
	if o.leaving != "" {
		if err := r.a.awaitGone(ctx, o.target, o.leaving, goneTimeout, r.observer()); err != nil {
			return answer{}, err
		}
	}
	if o.live != nil && o.live.takeOver && o.marks&markMerge == 0 && o.action == Update {
		if err := r.a.takeOver(ctx, o); err != nil {
			return answer{}, err
		}
		if len(o.ignored) > 0 {
			o.payload = nil // ignored fields may have become ours: what is sent has to keep them
		}
	}
	if o.oldFields != nil {
		return r.leaveOldVersions(ctx, o, o.oldFields)
	}
	ans, err := r.put(ctx, o)
	if err != nil && isOldFields(err) {
		return r.leaveOldVersions(ctx, o, err)
	}
	return ans, err
}

// put sends the object.
func (r *run) put(ctx context.Context, o *object) (ans answer, err error) {
	send := func() error {
		body, err := o.body(false)
		if err != nil {
			return err
		}
		ans, err = r.a.client.apply(ctx, o, patch{noForce: r.noForce(o), body: body})
		return err
	}
	if o.action == Recreate {
		err = send()
	} else {
		err = r.shaped(ctx, o, send)
	}
	return ans, err
}

func (r *run) wrote(o *object, ans answer, live liveMeta, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case o.action == Recreate:
	case ans.created:
		o.action = Create
	case o.live != nil && (o.live.rv == live.rv || !o.sure && untouched(o.live, &live, ans)):
		o.action = Unchanged
	default:
		o.action = Update
	}
	o.live, o.written = &live, true
	res := &r.result.Objects[o.index]
	res.Action, res.Duration = o.action, took
	res.UID, res.ResourceVersion = live.uid, live.rv
	if o.action == Update {
		res.Diff, res.Taken = o.diff, o.taken
	}
	res.Yielded = o.yielded
	r.result.Inventory.Add(o.entry())
	r.tell(o.index)
}

// untouched reports whether an apply has changed nothing although others have
// written in between: the server then leaves the time of our entry as it was.
func untouched(before, after *liveMeta, ans answer) bool {
	quiet := before.own == after.own && before.generation == after.generation && before.uid == after.uid
	return quiet && ans.tells(after.ownTime)
}

// unwritten records a failed write. An object that was not ours before, and that
// the server has refused for certain, does not stay in the inventory.
func (r *run) unwritten(ctx context.Context, o *object, err error) {
	if ctx.Err() != nil {
		r.mu.Lock()
		r.result.Objects[o.index].Reason = "stopped while it was being written, and may have been"
		r.mu.Unlock()
	}
	r.failUnlessStopped(ctx, o, r.explain(ctx, o, writeError(o, err)))
	if refused(err) && !r.old.Has(o.ref) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.result.Inventory.Remove(o.ref)
	}
}

// writeError turns the error of a write into an *Error.
func writeError(o *object, err error) *Error {
	var ours *Error
	if errors.As(err, &ours) {
		o.action = Conflict
		return ours
	}
	return apiError("apply", o, err)
}

// refused reports whether the server has answered that it did not do it, and
// can't have done it in an earlier attempt.
func refused(err error) bool {
	if isTooLarge(err) {
		return true // as in any attempt
	}
	var unsure *unsureError
	if errors.As(err, &unsure) {
		return false
	}
	return apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsBadRequest(err) ||
		apierrors.IsNotFound(err) || apierrors.IsConflict(err) || apierrors.IsMethodNotSupported(err) ||
		errors.Is(err, ErrTerminating)
}
