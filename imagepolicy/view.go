package imagepolicy

import (
	"container/heap"
	"strings"
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

func newView(p *Policy, tags map[string]*tag) *view {
	v := &view{policy: p, skipped: Skipped{}}
	v.ranking.descending = p.spec.Order == Descending
	v.ranking.items = make([]candidate, 0, len(tags))
	for _, t := range tags {
		if _, key, reason := p.evaluate(t.name); reason != "" {
			v.skipped[reason]++
		} else {
			v.ranking.items = append(v.ranking.items, candidate{tag: t, key: key})
		}
	}
	heap.Init(&v.ranking)
	return v
}

func (v *view) add(t *tag) {
	_, key, reason := v.policy.evaluate(t.name)
	if reason != "" {
		v.skipped[reason]++
		return
	}
	heap.Push(&v.ranking, candidate{tag: t, key: key})
}

// remove takes out a tag that is already marked as gone.
func (v *view) remove(t *tag) {
	if _, _, reason := v.policy.evaluate(t.name); reason != "" {
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
