package imagepolicy

import (
	"fmt"
	"sync"
)

// Set is the tags of one image, and what the policies over it chose. The zero
// value is an empty set. It may be used by several goroutines at the same time.
type Set struct {
	mu    sync.Mutex
	tags  map[string]*tag
	views map[Spec]*view
}

// tag is a member of a set. It dies once: the same name added again is another.
type tag struct {
	name string
	gone bool
}

// NewSet returns a set of tags. Duplicates count once.
func NewSet(tags ...string) *Set {
	s := &Set{tags: make(map[string]*tag, len(tags))}
	s.Add(tags...)
	return s
}

// Add adds tags, and returns how many of them were new.
func (s *Set) Add(tags ...string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.add(tags)
}

func (s *Set) add(tags []string) int {
	if s.tags == nil {
		s.tags = make(map[string]*tag, len(tags))
	}
	block := make([]tag, 0, max(0, len(tags)-len(s.tags))) // one allocation for a first listing
	added := 0
	for _, name := range tags {
		if _, ok := s.tags[name]; ok {
			continue
		}
		var t *tag
		if len(block) < cap(block) {
			block = append(block, tag{name: name})
			t = &block[len(block)-1]
		} else {
			t = &tag{name: name}
		}
		s.tags[name] = t
		added++
		for _, v := range s.views {
			v.add(t)
		}
	}
	return added
}

// Remove removes tags, and returns how many of them were there.
func (s *Set) Remove(tags ...string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	removed := 0
	for _, name := range tags {
		if t, ok := s.tags[name]; ok {
			s.remove(t)
			removed++
		}
	}
	return removed
}

func (s *Set) remove(t *tag) {
	delete(s.tags, t.name)
	t.gone = true
	for _, v := range s.views {
		v.remove(t)
	}
}

// Replace makes tags the whole content of the set, as after a full listing of a
// registry, and returns how many tags were added and removed. Tags that stay cost
// no parsing.
func (s *Set) Replace(tags []string) (added, removed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	added = s.add(tags)
	listed := make(map[string]struct{}, len(tags))
	for _, name := range tags {
		listed[name] = struct{}{}
	}
	if len(listed) == len(s.tags) {
		return added, 0
	}
	for name, t := range s.tags {
		if _, ok := listed[name]; !ok {
			s.remove(t)
			removed++
		}
	}
	return added, removed
}

// Len returns how many tags the set has.
func (s *Set) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tags)
}

// Select returns the choice of a policy. The first time it evaluates every tag;
// from then on Add, Remove and Replace keep the choice, until Forget. Its error
// wraps ErrNoTag and says how many tags were skipped and why.
func (s *Set) Select(p *Policy) (Choice, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.view(p)
	best, ok := v.best()
	choice := Choice{Tags: len(s.tags), Skipped: v.skipped.clone()}
	choice.Eligible = choice.Tags - choice.Skipped.total()
	if !ok {
		return choice, &Error{Op: "select", Ref: p.String(), Err: fmt.Errorf("%w of %d: %s", ErrNoTag, choice.Tags, choice.Skipped)}
	}
	choice.Tag = best.tag.name
	choice.Value, _ = p.filter.apply(choice.Tag)
	return choice, nil
}

func (s *Set) view(p *Policy) *view {
	if v, ok := s.views[p.spec]; ok {
		return v
	}
	if s.views == nil {
		s.views = map[Spec]*view{}
	}
	v := newView(p, s.tags)
	s.views[p.spec] = v
	return v
}

// Forget releases what the set keeps for a policy.
func (s *Set) Forget(p *Policy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.views, p.spec)
}
