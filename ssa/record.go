package ssa

import (
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// liveMeta is what is kept of a live object's metadata: enough to tell whether
// anything that an apply would put right can have happened to it.
type liveMeta struct {
	uid        types.UID
	rv         string
	generation int64
	own        digest // our manager's entry in managedFields, time included
	ownTime    int64  // that time, seconds since 1970; 0 without such an entry
	others     digest // all other entries but those of the status subresource
	status     digest // the entries of the status subresource
	marks      marks
	deleting   bool
	takeOver   bool // a manager whose fields are to be taken over has an entry
}

// A record says that an object with this metadata was what the desired state
// with this digest asks for.
type record struct {
	desired digest
	live    liveMeta
	// settled tells that the record was made in a later second than the time of
	// our managedFields entry, so that any later write of the same manager
	// shows in that time.
	settled bool
	// strict tells that something was left to others, so that what they do
	// matters too: a field that they give up is taken.
	strict bool
}

// summarize reads what is kept of an object's metadata.
func (a *Applier) summarize(m metav1.Object) liveMeta {
	l := liveMeta{
		uid:        m.GetUID(),
		rv:         m.GetResourceVersion(),
		generation: m.GetGeneration(),
		deleting:   m.GetDeletionTimestamp() != nil,
		marks:      a.readMarks(m),
	}
	var own, others, status []metav1.ManagedFieldsEntry
	for _, e := range m.GetManagedFields() {
		switch {
		case a.isOwn(e):
			own = append(own, e)
			if e.Time != nil {
				l.ownTime = e.Time.Unix()
			}
		case e.Subresource == "status":
			status = append(status, e)
		default:
			others = append(others, e)
			l.takeOver = l.takeOver || a.takesOver(e)
		}
	}
	h := newHasher()
	l.own, l.others, l.status = hashEntries(h, own), hashEntries(h, others), hashEntries(h, status)
	return l
}

func (a *Applier) isOwn(e metav1.ManagedFieldsEntry) bool {
	return e.Manager == a.opts.FieldManager && e.Operation == metav1.ManagedFieldsOperationApply && e.Subresource == ""
}

func hashEntries(h *hasher, entries []metav1.ManagedFieldsEntry) digest {
	for _, e := range entries {
		h.str(e.Manager)
		h.str(string(e.Operation))
		h.str(e.APIVersion)
		h.str(e.Subresource)
		if e.Time != nil {
			h.tag('t', uint64(e.Time.Unix()))
		}
		if e.FieldsV1 != nil {
			h.str(e.FieldsV1.GetRawString())
		}
	}
	return h.sum()
}

// holds reports whether r still describes an object that now looks like l.
func (r *record) holds(l *liveMeta) bool {
	same := r.live.uid == l.uid && !l.deleting && !l.takeOver && r.live.own == l.own && r.live.marks == l.marks &&
		(!r.strict || r.live.others == l.others)
	return same && (r.live.rv == l.rv || r.settled && r.elsewhere(l))
}

// elsewhere reports whether a change of the spec, if there was one, was another
// manager's, in fields that are not ours: it shows in that manager's entry, and
// would show in ours otherwise.
func (r *record) elsewhere(l *liveMeta) bool {
	return r.live.generation == l.generation || r.live.others != l.others
}

// follow tells r of one further write, which made l out of the state that r
// describes. A write that changed nothing but entries of the status
// subresource was a status update, and r holds as before.
func (r *record) follow(l *liveMeta) {
	statusOnly := r.live.uid == l.uid && r.live.own == l.own && r.live.others == l.others &&
		r.live.generation == l.generation && r.live.status != l.status && !l.deleting
	if statusOnly {
		r.live.rv, r.live.status = l.rv, l.status
	}
}

// newRecord makes the record of an object just seen in sync, at the given time
// of the server's clock (zero if it is not known).
func newRecord(o *object, l liveMeta, serverNow time.Time) *record {
	settled := l.ownTime != 0 && !serverNow.IsZero() && serverNow.Unix() >= l.ownTime+2
	return &record{desired: o.digest, live: l, settled: settled, strict: len(o.yielded) > 0}
}

// olderRV reports whether resource version a is known to be older than b.
func olderRV(a, b string) bool {
	x, errA := strconv.ParseUint(a, 10, 64)
	y, errB := strconv.ParseUint(b, 10, 64)
	return errA == nil && errB == nil && x < y
}
