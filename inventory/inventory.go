package inventory

import (
	"iter"
	"maps"
	"slices"
)

// An Inventory is a set of entries, at most one for each Ref. The zero value
// is an empty inventory that can be read; use New to get one that can be added
// to. It is not safe for writes from several goroutines.
type Inventory struct {
	entries map[Ref]Entry
}

// New returns an inventory of the given entries; of several with one Ref the
// last counts.
func New(entries ...Entry) *Inventory {
	inv := &Inventory{entries: make(map[Ref]Entry, len(entries))}
	for _, e := range entries {
		inv.entries[e.Ref] = e
	}
	return inv
}

// Len returns the number of entries.
func (i *Inventory) Len() int {
	if i == nil {
		return 0
	}
	return len(i.entries)
}

// Has reports whether i holds an entry for r.
func (i *Inventory) Has(r Ref) bool {
	_, ok := i.Get(r)
	return ok
}

// Get returns the entry for r.
func (i *Inventory) Get(r Ref) (Entry, bool) {
	if i == nil {
		return Entry{}, false
	}
	e, ok := i.entries[r]
	return e, ok
}

// Add puts e in i. An entry that was there for the same Ref is replaced; where
// e has no UID, the one already known is kept.
func (i *Inventory) Add(e Entry) {
	if i.entries == nil {
		i.entries = map[Ref]Entry{}
	}
	if old, ok := i.entries[e.Ref]; ok && e.UID == "" {
		e.UID = old.UID
	}
	i.entries[e.Ref] = e
}

// Remove takes the entry for r out of i, if there is one.
func (i *Inventory) Remove(r Ref) { delete(i.entries, r) }

// All yields the entries ordered by group, kind, namespace and name.
func (i *Inventory) All() iter.Seq[Entry] {
	return slices.Values(i.Entries())
}

// Entries returns the entries ordered by group, kind, namespace and name.
func (i *Inventory) Entries() []Entry {
	if i == nil {
		return nil
	}
	return slices.SortedFunc(maps.Values(i.entries), func(a, b Entry) int { return a.Compare(b.Ref) })
}

// Clone returns a copy of i that shares nothing with it.
func (i *Inventory) Clone() *Inventory {
	if i == nil || i.entries == nil {
		return New()
	}
	return &Inventory{entries: maps.Clone(i.entries)}
}

// Union returns the entries of i and o. Where both have an entry for one Ref
// o's counts, with the UID that i knew if o has none.
func (i *Inventory) Union(o *Inventory) *Inventory {
	u := i.Clone()
	if o != nil {
		for _, e := range o.entries {
			u.Add(e)
		}
	}
	return u
}

// Difference returns the entries of i whose Ref is not in o.
func (i *Inventory) Difference(o *Inventory) *Inventory {
	d := New()
	if i != nil {
		for r, e := range i.entries {
			if !o.Has(r) {
				d.entries[r] = e
			}
		}
	}
	return d
}

// Intersection returns the entries of i whose Ref is in o.
func (i *Inventory) Intersection(o *Inventory) *Inventory {
	d := New()
	if i != nil {
		for r, e := range i.entries {
			if o.Has(r) {
				d.entries[r] = e
			}
		}
	}
	return d
}

// Filter returns the entries of i that keep is true of.
func (i *Inventory) Filter(keep func(Entry) bool) *Inventory {
	f := New()
	if i != nil {
		for r, e := range i.entries {
			if keep(e) {
				f.entries[r] = e
			}
		}
	}
	return f
}

// Equal reports whether i and o hold the same entries, versions and UIDs
// included.
func (i *Inventory) Equal(o *Inventory) bool {
	if i.Len() != o.Len() {
		return false
	}
	if i.Len() == 0 {
		return true
	}
	return maps.Equal(i.entries, o.entries)
}
