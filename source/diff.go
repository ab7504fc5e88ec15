package source

import (
	"sort"

	"github.com/gitopskit/gitopskit/source/archive"
)

// DifferenceKind says how two artifacts differ in a path.
type DifferenceKind string

const (
	// Added means that only the second has it.
	Added DifferenceKind = "added"
	// Removed means that only the first has it.
	Removed DifferenceKind = "removed"
	// Changed means that both have it, with other content, kind or executable bit.
	Changed DifferenceKind = "changed"
)

// Difference is a path in which two artifacts differ.
type Difference struct {
	Path string
	Kind DifferenceKind
}

// Diff lists the files and links in which two artifacts differ, sorted by path.
// It compares the content of files whose IDs were made in different ways byte
// by byte, and others by ID.
func Diff(a, b *Artifact) ([]Difference, error) {
	var out []Difference
	for _, e := range a.tree.entries {
		if e.Mode.IsDir() {
			continue
		}
		i, ok := b.tree.byPath[e.Path]
		if !ok || b.tree.entries[i].Mode.IsDir() {
			out = append(out, Difference{e.Path, Removed})
			continue
		}
		same, err := sameEntry(a.tree, b.tree, e, b.tree.entries[i])
		if err != nil {
			return nil, &Error{Op: "diff", Ref: e.Path, Err: err}
		}
		if !same {
			out = append(out, Difference{e.Path, Changed})
		}
	}
	for _, e := range b.tree.entries {
		i, ok := a.tree.byPath[e.Path]
		if !e.Mode.IsDir() && (!ok || a.tree.entries[i].Mode.IsDir()) {
			out = append(out, Difference{e.Path, Added})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Path < out[j].Path })
	return out, nil
}

func sameEntry(ta, tb *tree, a, b archive.Entry) (bool, error) {
	if a.Mode.Type() != b.Mode.Type() || a.Target != b.Target || a.Size != b.Size || a.Mode&0o111 != 0 != (b.Mode&0o111 != 0) {
		return false, nil
	}
	if !a.Mode.IsRegular() || a.ID == b.ID {
		return true, nil
	}
	if idKind(a.ID) == idKind(b.ID) {
		return false, nil
	}
	da, err := ta.ReadFile(a.Path)
	if err != nil {
		return false, err
	}
	db, err := tb.ReadFile(b.Path)
	return string(da) == string(db), err
}

// idKind is the part of an ID that says how it was made: "sha1" or "sha256".
func idKind(id string) string {
	for i, c := range id {
		if c == ':' {
			return id[:i]
		}
	}
	return ""
}
