package scan

import (
	"maps"
	"slices"
	"time"
)

// memory is what is known about an image beside its tags.
type memory struct {
	base   time.Time            // of the first scan
	seen   map[string]time.Time // when the tags were found that came later
	dated  map[string]dated
	pages  pages // nil if the registry's list is not in order
	fullAt time.Time
	turn   string // which page is looked at next, beside the last
}

// dated is the date of creation of a tag's image.
type dated struct {
	created time.Time // zero if the image does not tell
	digest  string
	checked time.Time
}

// MaxSoak is the longest Want.Soak: how long it is remembered when a tag was
// found.
const MaxSoak = 90 * 24 * time.Hour

func newMemory() memory {
	return memory{seen: map[string]time.Time{}, dated: map[string]dated{}}
}

func (m *memory) firstSeen(tag string) time.Time {
	if at, ok := m.seen[tag]; ok {
		return at
	}
	return m.base
}

func (m *memory) forget(tag string) {
	delete(m.seen, tag)
	delete(m.dated, tag)
}

// age lets go of when tags were found that are older than anybody can ask.
func (m *memory) age(now time.Time) {
	if old := now.Add(-MaxSoak); m.base.Before(old) {
		m.base = old
		maps.DeleteFunc(m.seen, func(_ string, at time.Time) bool { return !at.After(old) })
	}
}

// learn brings the tags, the memory and the store up to what a scan found.
func (i *Image) learn(f finding, at time.Time) (added, removed []string, err error) {
	for _, s := range f.stretches {
		tags := slices.DeleteFunc(slices.Clone(s.tags), i.excluded)
		slices.Sort(tags)
		tags = slices.Compact(tags)
		more, fewer := difference(i.between(s.after, s.end), tags)
		added, removed = append(added, more...), append(removed, fewer...)
		if f.full {
			i.set.Replace(tags)
			continue
		}
		i.set.Add(more...)
		i.set.Remove(fewer...)
	}
	slices.Sort(added)
	slices.Sort(removed)

	i.mu.Lock()
	defer i.mu.Unlock()
	m := &i.memory
	first := m.base.IsZero()
	if first {
		m.base = at.Truncate(time.Second)
	}
	var news lines
	for _, tag := range removed {
		m.forget(tag)
		news.removed(tag)
	}
	for _, tag := range added {
		if !first {
			m.seen[tag] = at.Truncate(time.Second)
			news.added(tag, m.seen[tag])
		}
	}
	m.turn = f.turn
	if !slices.Equal(m.pages, f.pages) {
		m.pages = f.pages
		news.pages(m.pages)
	}
	if f.full {
		m.fullAt = at.Truncate(time.Second)
		news.full(m.fullAt)
	}
	return added, removed, i.write(news, first)
}

// difference compares two sorted lists.
func difference(before, after []string) (added, removed []string) {
	for len(before) > 0 && len(after) > 0 {
		switch b, a := before[0], after[0]; {
		case b == a:
			before, after = before[1:], after[1:]
		case b < a:
			removed, before = append(removed, b), before[1:]
		default:
			added, after = append(added, a), after[1:]
		}
	}
	return append(added, after...), append(removed, before...)
}
