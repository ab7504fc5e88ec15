package progress

import (
	"cmp"
	"slices"
	"time"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
	"github.com/gitopskit/gitopskit/ssa/health"
)

// model is what is known of an Apply.
type model struct {
	started time.Time
	step    ssa.Step // "" before the first
	total   int      // objects that the step is about; 0 if that is not known
	began   time.Time
	done    int // objects of the step that are done
	heard   time.Time
	summed  int // objects in the counts that were shown last

	counts map[ssa.Action]int
	failed int
	missed int // objects that were not come to

	waiting map[inventory.Ref]*waited
	order   int
}

// waited is an object that is, or was, waited for.
type waited struct {
	health.Observation
	since time.Time
	order int
}

func newModel(now time.Time) model {
	return model{started: now, began: now, heard: now, counts: map[ssa.Action]int{}, waiting: map[inventory.Ref]*waited{}}
}

func (m *model) begin(s ssa.Step, total int, now time.Time) {
	m.step, m.total, m.began, m.heard, m.done = s, total, now, now, 0
	clear(m.waiting)
}

func (m *model) object(r ssa.ObjectResult, now time.Time) {
	m.heard = now
	if m.step != ssa.StepWait {
		delete(m.waiting, r.Ref) // what has held it up no longer does
	}
	switch {
	case r.Err != nil:
		m.failed++
	case r.Action == ssa.None:
		m.missed++
		return
	default:
		m.counts[r.Action]++
	}
	m.done++
}

func (m *model) health(o health.Observation, now time.Time) {
	m.heard = now
	w := m.waiting[o.Ref]
	if w == nil {
		since := now
		if m.step == ssa.StepWait {
			since = m.began
		}
		w = &waited{since: since, order: m.order}
		m.order++
		m.waiting[o.Ref] = w
	}
	w.Observation = o
}

// events counts the objects that were told of.
func (m *model) events() int {
	n := m.failed + m.missed
	for _, c := range m.counts {
		n += c
	}
	return n
}

// waits reports whether the model is one of a wait.
func (m *model) waits() bool {
	return m.step == ssa.StepWait || m.step == "" && len(m.waiting) > 0
}

// progress returns how many of how many objects the step has done. The total is
// 0 where it is not known.
func (m *model) progress() (done, total int) {
	if !m.waits() {
		return m.done, m.total
	}
	for _, w := range m.waiting {
		if w.Status == health.Current {
			done++
		}
	}
	return done, max(m.total, len(m.waiting))
}

// unready returns what is waited for: what has failed first, then what has been
// waited for longest.
func (m *model) unready() []*waited {
	var out []*waited
	for _, w := range m.waiting {
		if w.Status != health.Current {
			out = append(out, w)
		}
	}
	slices.SortFunc(out, func(a, b *waited) int {
		return cmp.Or(rank(a)-rank(b), a.since.Compare(b.since), a.order-b.order)
	})
	return out
}

func rank(w *waited) int {
	if w.Status == health.Failed {
		return 0
	}
	return 1
}

// quiet reports whether nothing has been heard for so long that a log should
// say that all goes on.
func (m *model) quiet(now time.Time) bool {
	return (m.step != "" || len(m.waiting) > 0) && now.Sub(m.heard) >= quietTime-time.Second
}
