package imagepolicy

import (
	"encoding/binary"
	"slices"
	"time"
)

// epoch is the date that builds write who want the same bytes each time; it and
// what is before it say nothing about the age of an image.
var epoch = time.Unix(0, 0)

// appendCreatedKey writes a time so that bytewise order is that of time.
func appendCreatedKey(key []byte, at time.Time) ([]byte, Reason) {
	if !at.After(epoch) {
		return key, NoDate
	}
	key = binary.BigEndian.AppendUint64(key, uint64(at.Unix()))
	return binary.BigEndian.AppendUint32(key, uint32(at.Nanosecond())), ""
}

// SetCreated notes when the image of a tag was made, for policies of the kind
// Newest. A tag that is not in the set is passed over. A tag that is removed
// loses its date.
func (s *Set) SetCreated(name string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.find(name)
	if old, ok := s.created[name]; t == nil || ok && old.Equal(at) {
		return
	}
	s.remove(t)
	if s.created == nil {
		s.created = map[string]time.Time{}
	}
	s.created[name] = at
	s.insert(name)
}

// Created returns when the image of a tag was made, and whether the set was told.
func (s *Set) Created(name string) (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.created[name]
	return at, ok
}

// Undated returns the tags, sorted, that a policy of the kind Newest could choose
// if the set was told their dates; for the other kinds, none. They are those whose
// dates must be looked up.
func (s *Set) Undated(p *Policy) []string {
	if p.spec.Kind != Newest {
		return nil
	}
	s.mu.Lock()
	var names []string
	for t := range s.all() {
		if _, ok := s.created[t.name]; !ok {
			names = append(names, t.name)
		}
	}
	s.mu.Unlock()
	names = slices.DeleteFunc(names, func(name string) bool {
		_, ok := p.filter.apply(name)
		return !ok
	})
	slices.Sort(names)
	return names
}

// Best returns the n best tags, best first: what Select returns, and what it
// would return in turn if those before were not there.
func (s *Set) Best(p *Policy, n int) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	best := s.view(p).first(n)
	names := make([]string, len(best))
	for i, c := range best {
		names[i] = c.tag.name
	}
	return names
}

// Admitted returns those of tags that match the pattern of the policy.
func (p *Policy) Admitted(tags []string) []string {
	var out []string
	for _, tag := range tags {
		if _, ok := p.filter.apply(tag); ok {
			out = append(out, tag)
		}
	}
	return out
}

// Value returns what of a tag the policy ranks, for people: what Spec.Extract
// takes out of it, the tag, or its date.
func (p *Policy) Value(s *Set, tag string) string {
	at, _ := s.Created(tag)
	return p.value(tag, at)
}
