package source

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/gitopskit/gitopskit/source/archive"
)

// Inclusion puts a part of one artifact into another.
type Inclusion struct {
	// Artifact is what is taken from. Required.
	Artifact *Artifact
	// From is the folder that is taken; empty means all.
	From string
	// To is the folder that it becomes. Required.
	To string
}

// Include returns base with parts of other artifacts in it, under base's
// revision. Its ContentDigest depends on all of them. A file that two of them
// have is an error that wraps ErrInvalid; a From that does not exist wraps
// ErrNotFound.
func Include(base *Artifact, parts ...Inclusion) (*Artifact, error) {
	entries := map[string]archive.Entry{} // by path in the result, as its own artifact has it
	from := map[string]*Artifact{}
	add := func(a *Artifact, placed string, e archive.Entry) error {
		if old, twice := entries[placed]; twice && !(e.Mode.IsDir() && old.Mode.IsDir()) {
			return fmt.Errorf("%w: %q comes from two artifacts", ErrInvalid, placed)
		}
		entries[placed], from[placed] = e, a
		return nil
	}
	for _, e := range base.tree.entries {
		entries[e.Path], from[e.Path] = e, base
	}
	for _, p := range parts {
		moved, err := p.entries()
		if err != nil {
			return nil, &Error{Op: "include", Ref: p.To, Err: err}
		}
		for placed, e := range moved {
			if err := add(p.Artifact, placed, e); err != nil {
				return nil, &Error{Op: "include", Ref: p.To, Err: err}
			}
		}
	}
	all := make([]archive.Entry, 0, len(entries))
	for placed, e := range entries {
		e.Path = placed
		all = append(all, e)
	}
	open := func(ctx context.Context, e archive.Entry) (io.ReadCloser, error) {
		return from[e.Path].tree.open(ctx, entries[e.Path])
	}
	return NewArtifact(Contents{Revision: base.revision, Entries: all, Open: open, Cache: base.cache, Metadata: base.metadata})
}

// entries are those that are included, by their new paths.
func (p Inclusion) entries() (map[string]archive.Entry, error) {
	if p.Artifact == nil {
		return nil, fmt.Errorf("%w: set Inclusion.Artifact", ErrInvalid)
	}
	if err := archive.CheckPath(p.To); err != nil {
		return nil, fmt.Errorf("Inclusion.To: %w", err)
	}
	prefix := strings.Trim(p.From, "/")
	if prefix == "." {
		prefix = ""
	}
	if prefix != "" {
		prefix += "/"
	}
	out := map[string]archive.Entry{}
	for _, e := range p.Artifact.tree.entries {
		if rest, ok := strings.CutPrefix(e.Path, prefix); ok {
			out[p.To+"/"+rest] = e
		}
	}
	if len(out) == 0 && prefix != "" {
		return nil, fmt.Errorf("%w: folder %q in the included artifact", ErrNotFound, p.From)
	}
	return out, nil
}

// Sub returns the artifact of a folder: its files are those below dir, under
// the same revision. Its ContentDigest is that of the folder alone.
func (a *Artifact) Sub(dir string) (*Artifact, error) {
	moved, err := Inclusion{Artifact: a, From: dir, To: "sub"}.entries()
	if err != nil {
		return nil, &Error{Op: "sub", Ref: dir, Err: err}
	}
	inner := make([]archive.Entry, 0, len(moved))
	for placed, e := range moved {
		e.Path = strings.TrimPrefix(placed, "sub/")
		inner = append(inner, e)
	}
	open := func(ctx context.Context, e archive.Entry) (io.ReadCloser, error) {
		e.Path = strings.Trim(dir, "/") + "/" + e.Path
		return a.tree.open(ctx, e)
	}
	return NewArtifact(Contents{Revision: a.revision, Entries: inner, Open: open, Cache: a.cache, Metadata: a.metadata})
}
