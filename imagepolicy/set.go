package imagepolicy

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"
)

// Set is the tags of one image, and what the policies over it chose. The zero
// value is an empty set. It may be used by several goroutines at the same time.
type Set struct {
	mu      sync.Mutex
	listed  []tag           // from a listing, sorted by name; some may be gone
	later   map[string]*tag // added since, none of them gone
	size    int
	created map[string]time.Time
	views   map[Spec]*view
}

// tag is a member of a set. It dies once: the same name added again is another.
type tag struct {
	name string
	gone bool
}

// NewSet returns a set of tags. Duplicates count once.
func NewSet(tags ...string) *Set {
	s := &Set{}
	s.Add(tags...)
	return s
}

// Add adds tags, and returns how many of them were new.
func (s *Set) Add(tags ...string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.size
	if s.size == 0 {
		s.list(tags)
		return s.size
	}
	for _, name := range tags {
		if s.find(name) == nil {
			s.insert(name)
		}
	}
	return s.size - before
}

// list makes tags the whole content.
func (s *Set) list(tags []string) {
	s.listed, s.later, s.views = make([]tag, 0, len(tags)), nil, nil
	for _, name := range ascending(tags) {
		s.listed = append(s.listed, tag{name: name})
	}
	s.size = len(s.listed)
}

// ascending returns tags sorted and without duplicates; registries list them so.
func ascending(tags []string) []string {
	for i := 1; i < len(tags); i++ {
		if tags[i-1] >= tags[i] {
			tags = slices.Clone(tags)
			slices.Sort(tags)
			return slices.Compact(tags)
		}
	}
	return tags
}

func (s *Set) find(name string) *tag {
	if t, ok := s.later[name]; ok {
		return t
	}
	i, ok := slices.BinarySearchFunc(s.listed, name, func(t tag, name string) int { return strings.Compare(t.name, name) })
	if !ok || s.listed[i].gone {
		return nil
	}
	return &s.listed[i]
}

func (s *Set) insert(name string) {
	if s.later == nil {
		s.later = map[string]*tag{}
	}
	t := &tag{name: name}
	s.later[name] = t
	s.size++
	for _, v := range s.views {
		v.add(t, s.created)
	}
}

// Remove removes tags, and returns how many of them were there.
func (s *Set) Remove(tags ...string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.size
	for _, name := range tags {
		if t := s.find(name); t != nil {
			s.remove(t)
			delete(s.created, name)
		}
	}
	return before - s.size
}

func (s *Set) remove(t *tag) {
	delete(s.later, t.name)
	t.gone = true
	s.size--
	for _, v := range s.views {
		v.remove(t, s.created)
	}
}

// all goes through the members, in no order.
func (s *Set) all() iter.Seq[*tag] {
	return func(yield func(*tag) bool) {
		for i := range s.listed {
			if t := &s.listed[i]; !t.gone && !yield(t) {
				return
			}
		}
		for _, t := range s.later {
			if !yield(t) {
				return
			}
		}
	}
}

// Replace makes tags the whole content of the set, as after a full listing of a
// registry, and returns how many tags were added and removed. Tags that stay cost
// no parsing.
func (s *Set) Replace(tags []string) (added, removed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	tags = ascending(tags)
	var gone []*tag
	for t := range s.all() {
		if _, ok := slices.BinarySearch(tags, t.name); !ok {
			gone = append(gone, t)
		}
	}
	stay := s.size - len(gone)
	if stay < len(s.listed)/2 || stay < len(tags)/2 {
		for _, t := range gone {
			delete(s.created, t.name)
		}
		s.list(tags)
		return s.size - stay, len(gone)
	}
	for _, t := range gone {
		s.remove(t)
		delete(s.created, t.name)
	}
	for _, name := range tags {
		if s.size == len(tags) {
			break
		}
		if s.find(name) == nil {
			s.insert(name)
		}
	}
	return s.size - stay, len(gone)
}

// Len returns how many tags the set has.
func (s *Set) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size
}

// Has says whether a tag is in the set.
func (s *Set) Has(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find(name) != nil
}

// Tags returns all tags, sorted.
func (s *Set) Tags() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, 0, s.size)
	for t := range s.all() {
		names = append(names, t.name)
	}
	slices.Sort(names)
	return names
}

// sorted returns the members by name, and their dates where they are known.
func (s *Set) sorted() ([]*tag, map[string]time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	created := make(map[string]time.Time, len(s.created))
	for name, at := range s.created {
		created[name] = at
	}
	return slices.SortedFunc(s.all(), func(a, b *tag) int { return cmp.Compare(a.name, b.name) }), created
}

// Select returns the choice of a policy. The first time it evaluates every tag;
// from then on Add, Remove and Replace keep the choice, until Forget, or until
// most of the tags are others. Its error wraps ErrNoTag and says how many tags
// were skipped and why.
func (s *Set) Select(p *Policy) (Choice, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.view(p)
	best, ok := v.best()
	choice := Choice{Tags: s.size, Skipped: v.skipped.clone()}
	choice.Eligible = choice.Tags - choice.Skipped.total()
	if !ok {
		return choice, &Error{Op: "select", Ref: p.String(), Err: fmt.Errorf("%w of %d: %s", ErrNoTag, choice.Tags, choice.Skipped)}
	}
	choice.Tag = best.tag.name
	choice.Value = p.value(choice.Tag, s.created[choice.Tag])
	return choice, nil
}

func (s *Set) view(p *Policy) *view {
	if v, ok := s.views[p.spec]; ok {
		return v
	}
	if s.views == nil {
		s.views = map[Spec]*view{}
	}
	v := newView(p, s)
	s.views[p.spec] = v
	return v
}

// Forget releases what the set keeps for a policy.
func (s *Set) Forget(p *Policy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.views, p.spec)
}
