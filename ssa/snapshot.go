package ssa

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gitopskit/gitopskit/inventory"
)

// ErrSnapshot is wrapped by errors of Restore about data that this release, or
// this Applier, can't use. Nothing is lost by going on without: what is not
// known to be in sync is looked at.
var ErrSnapshot = errors.New("unusable snapshot")

// snapshotVersion changes whenever what is in sync is decided in another way.
const snapshotVersion = 1

type snapshot struct {
	Version      int             `json:"version"`
	FieldManager string          `json:"fieldManager"`
	MarkPrefix   string          `json:"markPrefix"`
	Records      []snapshotEntry `json:"records"`
}

type snapshotEntry struct {
	Set        string    `json:"set"`
	Ref        [4]string `json:"ref"` // group, kind, namespace, name
	UID        types.UID `json:"uid"`
	RV         string    `json:"rv"`
	Generation int64     `json:"gen,omitempty"`
	OwnTime    int64     `json:"time"`
	Digests    []byte    `json:"digests"` // desired, own, others, status
	Marks      marks     `json:"marks,omitempty"`
	Settled    bool      `json:"settled,omitempty"`
	Strict     bool      `json:"strict,omitempty"`
}

// Snapshot returns what is known to be in sync, for Restore in another process:
// after a restart, one list of metadata a kind is then all that an unchanged
// set costs. It holds names and digests, no content. It may be old, or lost:
// what has changed since is noticed.
func (a *Applier) Snapshot() ([]byte, error) {
	snap := snapshot{Version: snapshotVersion, FieldManager: a.opts.FieldManager, MarkPrefix: a.opts.MarkPrefix}
	a.state.mu.Lock()
	for ref, e := range a.state.entries {
		if e.rec != nil {
			snap.Records = append(snap.Records, packRecord(ref, e))
		}
	}
	a.state.mu.Unlock()
	slices.SortFunc(snap.Records, func(x, y snapshotEntry) int { return slices.Compare(x.Ref[:], y.Ref[:]) })
	return json.Marshal(snap)
}

func packRecord(ref inventory.Ref, e *entry) snapshotEntry {
	l := &e.rec.live
	out := snapshotEntry{
		Set: e.set, Ref: [4]string{ref.Group, ref.Kind, ref.Namespace, ref.Name},
		UID: l.uid, RV: l.rv, Generation: l.generation, OwnTime: l.ownTime, Marks: l.marks, Settled: e.rec.settled,
		Strict: e.rec.strict,
	}
	for _, d := range []digest{e.rec.desired, l.own, l.others, l.status} {
		out.Digests = append(out.Digests, d[:]...)
	}
	return out
}

// Restore takes over what Snapshot returned in another process. Call it before
// the first Apply. Errors wrap ErrSnapshot.
func (a *Applier) Restore(data []byte) error {
	var snap snapshot
	if err := json.Unmarshal(data, &snap); err != nil {
		return fmt.Errorf("ssa: %w: %w", ErrSnapshot, err)
	}
	if snap.Version != snapshotVersion || snap.FieldManager != a.opts.FieldManager || snap.MarkPrefix != a.opts.MarkPrefix {
		return fmt.Errorf("ssa: %w: made by version %d for field manager %q, marks %q", ErrSnapshot, snap.Version, snap.FieldManager, snap.MarkPrefix)
	}
	a.state.mu.Lock()
	defer a.state.mu.Unlock()
	for _, s := range snap.Records {
		ref := inventory.Ref{Group: s.Ref[0], Kind: s.Ref[1], Namespace: s.Ref[2], Name: s.Ref[3]}
		rec, ok := s.record()
		if !ok {
			return fmt.Errorf("ssa: %w: the record of %s is damaged", ErrSnapshot, ref)
		}
		a.state.claim(s.Set, ref).rec = rec
	}
	return nil
}

func (s *snapshotEntry) record() (*record, bool) {
	const n = len(digest{})
	if len(s.Digests) != 4*n || s.UID == "" || s.RV == "" {
		return nil, false
	}
	r := &record{settled: s.Settled, strict: s.Strict, live: liveMeta{
		uid: s.UID, rv: s.RV, generation: s.Generation, ownTime: s.OwnTime, marks: s.Marks,
	}}
	for i, d := range []*digest{&r.desired, &r.live.own, &r.live.others, &r.live.status} {
		copy(d[:], s.Digests[i*n:])
	}
	return r, true
}
