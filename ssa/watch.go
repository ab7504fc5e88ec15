package ssa

import (
	"context"
	"errors"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/gitopskit/gitopskit/internal/objwatch"
	"github.com/gitopskit/gitopskit/inventory"
)

// A Drift is a change of an object that was not made by its Applier and may
// have made it differ from what its set asks for. Apply the set to put it
// right; only objects that drifted cost requests.
type Drift struct {
	Set    string // ApplyOptions.Set of the set that has the object
	Ref    inventory.Ref
	Change DriftChange
}

// A DriftChange is what happened to an object.
type DriftChange string

// The kinds of drift.
const (
	Modified DriftChange = "modified"
	Deleted  DriftChange = "deleted"
)

// WatchOptions say whom Watch tells.
type WatchOptions struct {
	// OnDrift is told of each drift, once until its set is applied again. It is
	// called by one goroutine at a time, must not call Apply itself, and should
	// return soon. Required.
	OnDrift func(Drift)
}

// Watch keeps the metadata of the objects of all named sets up to date, until
// ctx ends, whose error it returns. While it runs, Apply skips objects that
// are known to be in sync without a request, and changes that others make are
// reported within moments.
//
// Only writes that touch something that was applied count as drift: not those
// to the status, nor to fields that the set leaves to others. A kind that may
// not be watched is not; its objects are looked at when they are applied.
func (a *Applier) Watch(ctx context.Context, opts WatchOptions) error {
	if opts.OnDrift == nil {
		return errors.New("ssa: WatchOptions.OnDrift is missing: say what is to be done about drift")
	}
	w := &watcher{a: a, onDrift: opts.OnDrift, streams: map[schema.GroupVersionResource]*stream{}}
	w.ended = func() bool { return ctx.Err() != nil }
	w.begin = func(f func(context.Context)) { w.wg.Go(func() { f(ctx) }) }
	if err := a.state.attach(w); err != nil {
		return err
	}
	<-ctx.Done()
	a.state.detach()
	w.wg.Wait()
	return ctx.Err()
}

func (s *state) attach(w *watcher) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watcher != nil {
		return errors.New("ssa: Watch is running already")
	}
	s.watcher = w
	return nil
}

func (s *state) detach() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watcher = nil
	for _, e := range s.entries {
		e.known, e.live = false, nil
	}
}

// watcher runs the metadata watches, one for each kind in use.
type watcher struct {
	a       *Applier
	wg      sync.WaitGroup
	begin   func(func(context.Context)) // runs something as long as Watch does
	ended   func() bool                 // Watch is over
	onDrift func(Drift)
	report1 sync.Mutex // one call of onDrift at a time

	streams map[schema.GroupVersionResource]*stream // guarded by state.mu
}

// report tells of drift. state.mu must not be held.
func (w *watcher) report(d Drift) {
	w.report1.Lock()
	defer w.report1.Unlock()
	if !w.ended() {
		w.onDrift(d)
	}
}

// upToDate reports whether all changes of a kind are heard of at the moment.
// state.mu is held.
func (w *watcher) upToDate(gvr schema.GroupVersionResource) bool {
	s, ok := w.streams[gvr]
	return ok && s.up
}

// follow starts to watch the kind of t, if that is not done yet.
func (s *state) follow(t target) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.watcher
	if w == nil || w.ended() {
		return
	}
	if st := w.streams[t.gvr]; st != nil {
		st.again = true
		return
	}
	st := &stream{w: w, s: s, group: t.ref.Group, kind: t.ref.Kind}
	w.streams[t.gvr] = st
	w.begin(func(ctx context.Context) {
		for {
			err := objwatch.Run(ctx, w.a.collection(t.gvr), st)
			if ctx.Err() != nil || !st.goesOn(t.gvr) {
				w.ends(ctx, t.gvr, err)
				return
			}
		}
	})
}

// goesOn reports whether a watch that has ended was asked for again since it
// began: its kind may have been gone, and be back. Otherwise the next Apply
// begins a new one.
func (st *stream) goesOn(gvr schema.GroupVersionResource) bool {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	again := st.again
	st.again = false
	if !again {
		delete(st.w.streams, gvr)
	}
	return again
}

func (w *watcher) ends(ctx context.Context, gvr schema.GroupVersionResource, err error) {
	if ctx.Err() == nil {
		w.a.opts.Logger.Warn("watch ended; drift is seen only when a set is applied", "resource", gvr.String(), "err", err)
	}
}

func (a *Applier) collection(gvr schema.GroupVersionResource) objwatch.Collection {
	res := a.client.metadata.Resource(gvr)
	return objwatch.Collection{
		LabelSelector: a.opts.WatchSelector,
		List:          func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return res.List(ctx, o) },
		Watch: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return res.Watch(ctx, o)
		},
	}
}

// stream is the watch of one kind. It implements objwatch.Handler.
type stream struct {
	w           *watcher
	s           *state
	group, kind string
	up          bool                   // guarded by state.mu
	again       bool                   // asked for while it was running; guarded by state.mu
	listed      map[inventory.Ref]bool // during a list
}

func (st *stream) BeginList() { st.listed = map[inventory.Ref]bool{} }

// EndList settles what a complete list did not have: it is gone, unless it was
// written after the list was made. The watch tells of those.
func (st *stream) EndList(rv string) {
	st.s.mu.Lock()
	var drifts []Drift
	for ref, e := range st.s.entries {
		if ref.Group != st.group || ref.Kind != st.kind || st.listed[ref] || e.rec != nil && olderRV(rv, e.rec.live.rv) {
			continue
		}
		e.known, e.live = true, nil
		if d := st.s.judge(ref, e); d != nil {
			drifts = append(drifts, *d)
		}
	}
	st.up, st.listed = true, nil
	st.s.mu.Unlock()
	for _, d := range drifts {
		st.w.report(d)
	}
}

func (st *stream) Set(o runtime.Object) {
	m, ok := o.(*metav1.PartialObjectMetadata)
	if !ok {
		return
	}
	ref := inventory.Ref{Group: st.group, Kind: st.kind, Namespace: m.Namespace, Name: m.Name}
	if st.listed != nil {
		st.listed[ref] = true
	}
	st.s.mu.Lock()
	drift := st.set(ref, m)
	st.s.mu.Unlock()
	if drift != nil {
		st.w.report(*drift)
	}
}

// set takes over an object's new state; state.mu is held. Objects that no set
// has are not kept.
func (st *stream) set(ref inventory.Ref, m *metav1.PartialObjectMetadata) *Drift {
	e, ours := st.s.entries[ref]
	if !ours || (e.known && e.live != nil && e.live.uid == m.UID && olderRV(m.ResourceVersion, e.live.rv)) {
		return nil
	}
	live := st.w.a.summarize(m)
	if e.rec != nil && e.known && e.live != nil && e.rec.live.rv == e.live.rv && st.listed == nil {
		e.rec.follow(&live)
	}
	e.known, e.live = true, &live
	return st.s.judge(ref, e)
}

func (st *stream) Delete(o runtime.Object) {
	m, ok := o.(*metav1.PartialObjectMetadata)
	if !ok {
		return
	}
	ref := inventory.Ref{Group: st.group, Kind: st.kind, Namespace: m.Namespace, Name: m.Name}
	st.s.mu.Lock()
	drift := st.delete(ref, m)
	st.s.mu.Unlock()
	if drift != nil {
		st.w.report(*drift)
	}
}

func (st *stream) delete(ref inventory.Ref, m *metav1.PartialObjectMetadata) *Drift {
	e, ours := st.s.entries[ref]
	if !ours || (e.live != nil && e.live.uid != m.UID) {
		return nil
	}
	e.known, e.live = true, nil
	return st.s.judge(ref, e)
}

func (st *stream) Down(error) { st.setUp(false) }
func (st *stream) Up()        { st.setUp(true) }

func (st *stream) setUp(up bool) {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	st.up = up
}

// Forget drops what is known of a set, so that drift of its objects is no
// longer reported. Call it when a set has been removed.
func (a *Applier) Forget(set string) {
	a.state.mu.Lock()
	defer a.state.mu.Unlock()
	for ref, e := range a.state.entries {
		if e.set == set {
			delete(a.state.entries, ref)
		}
	}
}
