package ssa

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// survey finds out what the live side of each object looks like and decides
// what may have to be done. Objects of which everything is known cost nothing.
func (r *run) survey(ctx context.Context) {
	unseen := r.recall()
	if len(unseen) == 0 {
		return
	}
	targets := make([]target, len(unseen))
	for i, o := range unseen {
		targets[i] = o.target
	}
	found, failed := r.a.fetch(ctx, targets)
	for _, o := range unseen {
		if err := failed[o.ref]; err != nil {
			r.fail(o, apiError("read", o, err))
			continue
		}
		if err := r.judgeLive(o, found[o.ref], r.recordOf(o)); err != nil {
			r.fail(o, err)
		}
	}
}

// judgeLive takes over what was read of the live side of an object, nil if it
// is not there, and decides.
func (r *run) judgeLive(o *object, m *metav1.PartialObjectMetadata, rec *record) *Error {
	if m != nil {
		live := r.a.summarize(m)
		o.live = &live
		if err := r.notOurs(o, m.Labels); err != nil && o.marks&markIfNotPresent == 0 && live.marks&markIgnore == 0 {
			o.action = Conflict
			return err
		}
	}
	r.decide(o, rec)
	return nil
}

// recall decides about the objects whose live side is known from watches, and
// returns the others.
func (r *run) recall() (unseen []*object) {
	st := r.a.state
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, o := range r.objects {
		if o.marks&markIgnore != 0 {
			r.skip(o, "marked to be left alone")
			continue
		}
		if o.undefined() {
			o.action, o.sure = Create, true
			continue
		}
		e := st.entries[o.ref]
		if e == nil || e.set != r.opts.Set || o.marks&markIfNotPresent != 0 || !e.known || st.watcher == nil || !st.watcher.upToDate(o.gvr) {
			unseen = append(unseen, o)
			continue
		}
		if e.rec == nil && e.live != nil && r.opts.adoption() != AdoptAny {
			unseen = append(unseen, o) // its labels have to be looked at
			continue
		}
		o.live = e.live
		r.decide(o, e.rec)
	}
	return unseen
}

func (r *run) recordOf(o *object) *record {
	st := r.a.state
	st.mu.Lock()
	defer st.mu.Unlock()
	if e := st.entries[o.ref]; e != nil && e.set == r.opts.Set {
		return e.rec
	}
	return nil
}

func (r *run) decide(o *object, rec *record) {
	switch {
	case o.live != nil && o.live.marks&markIgnore != 0:
		r.skip(o, "the live object is marked to be left alone")
	case o.live == nil:
		o.action, o.sure = Create, true
	case o.marks&markIfNotPresent != 0:
		r.skip(o, "exists, and is marked to be created only")
	case o.live.deleting && isDefinition(o.ref):
		// Its objects go with it, and nothing but a new definition brings them back.
		o.leaving, o.live = o.live.uid, nil
		o.action, o.sure = Create, true
		r.result.Objects[o.index].Reason = "created anew when the one that is being deleted is gone"
	case o.live.deleting:
		o.action, o.sure = Update, true
	case rec != nil && rec.desired == o.digest && rec.holds(o.live):
		r.unchanged(o)
	default:
		o.action = Update
		o.sure = o.live.takeOver && o.marks&markMerge == 0
	}
}

func (r *run) skip(o *object, reason string) {
	o.action, o.sure = Skip, true
	res := &r.result.Objects[o.index]
	res.Action, res.Reason = Skip, reason
	r.seen(o, res)
}

func (r *run) unchanged(o *object) {
	o.action, o.sure = Unchanged, true
	res := &r.result.Objects[o.index]
	res.Action = Unchanged
	r.seen(o, res)
}

func (r *run) seen(o *object, res *ObjectResult) {
	res.Yielded = o.yielded
	if o.live != nil {
		res.UID, res.ResourceVersion = o.live.uid, o.live.rv
	}
}
