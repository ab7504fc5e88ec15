package health

import (
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitopskit/gitopskit/inventory"
)

// seen is what was last seen of an object, and what its pods complain of.
type seen struct {
	Observation
	pods string
}

// told returns what there is to say of the object.
func (s seen) told() Observation {
	o := s.Observation
	if s.pods != "" {
		o.Message = orElse(o.Message, string(o.Status)) + "; " + s.pods
	}
	return o
}

// board has what was last seen of each object.
type board struct {
	mu       sync.Mutex
	opts     WaitOptions
	observed []seen
	index    map[inventory.Ref]int
	ttl      map[inventory.Ref]bool // goes away by itself when it is done
	open     int                    // how many are not Current
	failed   bool
	stop     func()
}

func newBoard(objects []inventory.Entry, opts WaitOptions) *board {
	b := &board{opts: opts, index: make(map[inventory.Ref]int, len(objects)), ttl: map[inventory.Ref]bool{}, stop: func() {}}
	for _, e := range objects {
		if _, twice := b.index[e.Ref]; twice {
			continue
		}
		o := Observation{Ref: e.Ref, Version: e.Version, Report: Report{Status: Unknown, Message: "not seen yet"}}
		if !opts.ReadAll && Static(e.GroupKind()) {
			o.Report = Report{Status: Current}
		} else {
			b.open++
		}
		b.index[e.Ref] = len(b.observed)
		b.observed = append(b.observed, seen{Observation: o})
	}
	return b
}

// has reports whether an object is waited for.
func (b *board) has(ref inventory.Ref) bool {
	_, ours := b.index[ref]
	return ours
}

func (b *board) hasCanaries() bool {
	for ref := range b.index {
		if ref.GroupKind() == canaryKind {
			return true
		}
	}
	return false
}

func (b *board) over() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open == 0
}

func (b *board) saw(ref inventory.Ref, u *unstructured.Unstructured) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, ours := b.index[ref]
	if !ours {
		return
	}
	if ref.Kind == "Job" && goneWhenDone(u) {
		b.ttl[ref] = true
	}
	b.set(i, b.opts.Read(u))
}

// read reads the status of an object, and changes nothing.
func (b *board) read(u *unstructured.Unstructured) Report {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.opts.Read(u)
}

// report changes what is known of an object.
func (b *board) report(ref inventory.Ref, r Report) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i, ours := b.index[ref]; ours {
		b.set(i, r)
	}
}

func (b *board) gone(ref inventory.Ref) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, ours := b.index[ref]
	switch {
	case !ours:
	case b.ttl[ref], b.opts.MayBeGone != nil && b.opts.MayBeGone(ref):
		b.set(i, Report{Current, "finished and removed"})
	default:
		b.set(i, Report{Status: NotFound})
	}
}

// absent marks what a complete list of a group did not have.
func (b *board) absent(g group, seen map[inventory.Ref]bool) {
	b.mu.Lock()
	var missing []inventory.Ref
	for _, o := range b.observed {
		if b.covers(g, o.Ref) && !seen[o.Ref] {
			missing = append(missing, o.Ref)
		}
	}
	b.mu.Unlock()
	for _, r := range missing {
		b.gone(r)
	}
}

func (b *board) covers(g group, r inventory.Ref) bool {
	return r.GroupKind() == g.gk && (g.namespace == "" || g.namespace == r.Namespace) &&
		(g.name == "" || g.name == r.Name) && (b.opts.ReadAll || !Static(g.gk))
}

// unreadable marks the objects of a group that can't be watched.
func (b *board) unreadable(g group, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, o := range b.observed {
		if b.covers(g, o.Ref) {
			b.set(i, Report{Failed, "can't be read: " + err.Error()})
		}
	}
}

// set changes what is known of an object; b.mu is held.
func (b *board) set(i int, r Report) {
	o := &b.observed[i]
	if o.Report == r {
		return
	}
	if o.Status == Current {
		b.open++
	}
	o.Report = r
	if r.Status == Current {
		b.open--
		o.pods = ""
	}
	b.tell(i)
	if r.Status == Failed && b.opts.FailFast {
		b.failed = true
	}
	if b.open == 0 || b.failed {
		b.stop()
	}
}

// tell says that something has changed about an object; b.mu is held.
func (b *board) tell(i int) {
	if b.opts.OnChange != nil {
		b.opts.OnChange(b.observed[i].told())
	}
}

// end returns what was seen, and what is missing as an error.
func (b *board) end(cause error) ([]Observation, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	observed := make([]Observation, len(b.observed))
	for i, o := range b.observed {
		observed[i] = o.told()
	}
	if b.open == 0 {
		return observed, nil
	}
	e := &WaitError{Err: cause, Total: len(observed)}
	if b.failed || cause == nil {
		e.Err = ErrFailed
	}
	for _, o := range observed {
		if o.Status != Current {
			e.Missing = append(e.Missing, o)
		}
	}
	slices.SortStableFunc(e.Missing, func(a, b Observation) int {
		return boolInt(b.Status == Failed) - boolInt(a.Status == Failed)
	})
	return observed, e
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
