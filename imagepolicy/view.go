package imagepolicy

import (
	"container/heap"
	"strings"
	"time"
)

// candidate is an eligible tag and its rank.
type candidate struct {
	tag *tag
	key string
}

// ranking is a heap with the winner on top. Tags that are gone stay in it until
// they come to the top or are the majority.
type ranking struct {
	items      []candidate
	descending bool
}

func (r *ranking) Len() int           { return len(r.items) }
func (r *ranking) Swap(i, j int)      { r.items[i], r.items[j] = r.items[j], r.items[i] }
func (r *ranking) Less(i, j int) bool { return r.above(r.items[i], r.items[j]) }
func (r *ranking) Push(x any)         { r.items = append(r.items, x.(candidate)) }

func (r *ranking) Pop() any {
	last := len(r.items) - 1
	c := r.items[last]
	r.items[last] = candidate{}
	r.items = r.items[:last]
	return c
}

// above says whether a wins over b. It is a total order: no two tags of a set
// have the same name.
func (r *ranking) above(a, b candidate) bool {
	switch c := strings.Compare(a.key, b.key); {
	case c == 0:
		return a.tag.name > b.tag.name
	case r.descending:
		return c < 0
	default:
		return c > 0
	}
}

// view is a policy over a set.
type view struct {
	policy  *Policy
	ranking ranking
	skipped Skipped
	stale   int // how many items of the ranking are gone
}

func newView(p *Policy, s *Set) *view {
	v := &view{policy: p, skipped: Skipped{}}
	v.ranking.descending = p.spec.Order == Descending
	// All keys are parts of one string.
	var keys []byte
	ends := make([]int, 0, s.size)
	items := make([]candidate, 0, s.size)
	for t := range s.all() {
		var reason Reason
		if keys, reason = p.appendKey(keys, t.name, s.created); reason != "" {
			v.skipped[reason]++
			continue
		}
		items = append(items, candidate{tag: t})
		ends = append(ends, len(keys))
	}
	if p.ranksNames() {
		for i := range items {
			items[i].key = items[i].tag.name
		}
	} else {
		all, from := string(keys), 0
		for i, end := range ends {
			items[i].key, from = all[from:end], end
		}
	}
	v.ranking.items = items
	heap.Init(&v.ranking)
	return v
}

func (v *view) add(t *tag, created map[string]time.Time) {
	key, reason := v.policy.evaluate(t.name, created)
	if reason != "" {
		v.skipped[reason]++
		return
	}
	heap.Push(&v.ranking, candidate{tag: t, key: key})
}

// remove takes out a tag that is already marked as gone.
func (v *view) remove(t *tag, created map[string]time.Time) {
	if _, reason := v.policy.evaluate(t.name, created); reason != "" {
		if v.skipped[reason]--; v.skipped[reason] == 0 {
			delete(v.skipped, reason)
		}
		return
	}
	v.stale++
	if v.stale > len(v.ranking.items)/2 {
		v.compact()
	}
}

func (v *view) compact() {
	alive := make([]candidate, 0, len(v.ranking.items)-v.stale)
	for _, c := range v.ranking.items {
		if !c.tag.gone {
			alive = append(alive, c)
		}
	}
	v.ranking.items, v.stale = alive, 0
	heap.Init(&v.ranking)
}

func (v *view) best() (candidate, bool) {
	for len(v.ranking.items) > 0 {
		if top := v.ranking.items[0]; !top.tag.gone {
			return top, true
		}
		heap.Pop(&v.ranking)
		v.stale--
	}
	return candidate{}, false
}

// frontier is a heap of places in a ranking, the best on top.
type frontier struct {
	of     *ranking
	places []int
}

func (f *frontier) Len() int           { return len(f.places) }
func (f *frontier) Swap(i, j int)      { f.places[i], f.places[j] = f.places[j], f.places[i] }
func (f *frontier) Less(i, j int) bool { return f.of.Less(f.places[i], f.places[j]) }
func (f *frontier) Push(x any)         { f.places = append(f.places, x.(int)) }

func (f *frontier) Pop() any {
	last := len(f.places) - 1
	place := f.places[last]
	f.places = f.places[:last]
	return place
}

// first returns the n best candidates, best first, and changes nothing.
func (v *view) first(n int) []candidate {
	var out []candidate
	f := &frontier{of: &v.ranking}
	if len(v.ranking.items) > 0 {
		f.places = []int{0}
	}
	for len(f.places) > 0 && len(out) < n {
		place := heap.Pop(f).(int)
		if c := v.ranking.items[place]; !c.tag.gone {
			out = append(out, c)
		}
		for child := 2*place + 1; child <= 2*place+2 && child < len(v.ranking.items); child++ {
			heap.Push(f, child)
		}
	}
	return out
}
