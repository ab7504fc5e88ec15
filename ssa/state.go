package ssa

import (
	"sync"
	"time"

	"github.com/gitopskit/gitopskit/inventory"
)

// state is what is known of a cluster's objects. It belongs to the cluster,
// not to the account that is used, and is shared by the Appliers made by As.
type state struct {
	mu      sync.Mutex
	entries map[inventory.Ref]*entry
	watcher *watcher // nil unless Watch runs
}

// An entry is what is known of one object that some set has.
type entry struct {
	set  string
	rec  *record // nil: not known to be in sync
	busy int     // writes of our own under way

	// The live side, kept up to date while Watch runs; live is nil where the
	// object is not there, and means nothing unless known is true
	known bool
	live  *liveMeta
}

func newState() *state { return &state{entries: map[inventory.Ref]*entry{}} }

// claim makes ref an object of the set, and returns what is known of it. What
// another set knew of it is forgotten: the other one has to look again.
func (s *state) claim(set string, ref inventory.Ref) *entry {
	e, ok := s.entries[ref]
	if !ok {
		e = &entry{set: set}
		s.entries[ref] = e
	}
	if e.set != set {
		e.set, e.rec = set, nil
	}
	return e
}

// begin tells that ref is about to be written, so that events that the write
// causes are not taken for drift.
func (s *state) begin(set string, ref inventory.Ref) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.claim(set, ref).busy++
}

// beginDelete is begin for a deletion: an object that another set has in the
// meantime stays that set's, and its watch goes on. It reports whether end is to
// be called.
func (s *state) beginDelete(set string, ref inventory.Ref) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.entries[ref]
	if !ok || e.set != set {
		return false
	}
	e.busy++
	return true
}

// end tells that a write of ref is over, and the record that it led to; nil if
// it failed. What the watch has seen since then may show drift already.
func (s *state) end(ref inventory.Ref, rec *record) {
	s.mu.Lock()
	drift := s.ended(ref, rec)
	w := s.watcher
	s.mu.Unlock()
	if drift != nil && w != nil {
		w.report(*drift)
	}
}

func (s *state) ended(ref inventory.Ref, rec *record) *Drift {
	e, ok := s.entries[ref]
	if !ok {
		return nil
	}
	e.busy--
	return s.learn(ref, e, rec)
}

// learn takes over a record made of an answer of the API server. If the watch
// has already seen a later state that does not fit, that is drift.
func (s *state) learn(ref inventory.Ref, e *entry, rec *record) *Drift {
	e.rec = rec
	if rec == nil {
		return nil
	}
	if !e.known || e.live == nil || e.live.uid != rec.live.uid || olderRV(e.live.rv, rec.live.rv) {
		live := rec.live
		e.known, e.live = true, &live
		return nil
	}
	return s.judge(ref, e)
}

// judge drops the record of an entry whose live side no longer fits it, and
// returns the drift to report.
func (s *state) judge(ref inventory.Ref, e *entry) *Drift {
	if e.rec == nil || e.busy > 0 {
		return nil
	}
	switch {
	case e.live == nil:
		e.rec = nil
		return &Drift{Set: e.set, Ref: ref, Change: Deleted}
	case !e.rec.holds(e.live):
		e.rec = nil
		return &Drift{Set: e.set, Ref: ref, Change: Modified}
	}
	return nil
}

// saw records that ref was found to be as desired, without a write.
func (s *state) saw(set string, o *object, live liveMeta, serverNow time.Time) {
	s.mu.Lock()
	e := s.claim(set, o.ref)
	drift := s.learn(o.ref, e, newRecord(o, live, serverNow))
	w := s.watcher
	s.mu.Unlock()
	if drift != nil && w != nil {
		w.report(*drift)
	}
}

// forget drops what is known of ref, if it is the set's.
func (s *state) forget(set string, ref inventory.Ref) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.entries[ref]; ok && e.set == set {
		delete(s.entries, ref)
	}
}
