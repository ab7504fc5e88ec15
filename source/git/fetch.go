package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gitopskit/gitopskit/source"
)

// fetch brings a commit, alone if the server lets it be asked for, else with
// the history that leads to it. The caller holds the lock.
func (m *mirror) fetch(ctx context.Context, o *objects, w want) error {
	haves := m.haves(o)
	if w.tag != "" {
		return m.receive(ctx, o, fetchRequest{wants: []oid{w.tag}, haves: haves})
	}
	l, err := m.listingWith(ctx, w)
	if err != nil {
		return err
	}
	if tip, ok := l.tipOf(w.commit, w.ref); ok {
		return m.receive(ctx, o, fetchRequest{wants: []oid{tip.id}, haves: haves})
	}
	// Not the tip of anything. Many servers give it all the same.
	err = m.receive(ctx, o, fetchRequest{wants: []oid{w.commit}, haves: haves})
	if err == nil || ctx.Err() != nil || !refused(err) {
		return err
	}
	return m.fetchHistory(ctx, l, w)
}

// listingWith returns the latest listing if the commit is a tip in it, else a
// new one.
func (m *mirror) listingWith(ctx context.Context, w want) (*listing, error) {
	if l := m.lister.peek(); l != nil {
		if _, ok := l.tipOf(w.commit, w.ref); ok {
			return l, nil
		}
	}
	return m.lister.get(ctx, 0)
}

// refused is true for what servers answer when they do not give a commit by
// its id, which has many forms, and false for errors that another request
// would meet too.
func refused(err error) bool {
	for _, other := range []error{source.ErrAuth, source.ErrHostKey, source.ErrTLS, source.ErrTooLarge, os.ErrPermission} {
		if errors.Is(err, other) {
			return false
		}
	}
	return !isDiskFull(err)
}

// fetchHistory looks for a commit in the history of the branch, and then of
// all references, those of pull requests included.
func (m *mirror) fetchHistory(ctx context.Context, l *listing, w want) error {
	var tried []string
	for _, prefix := range []string{w.ref, "refs/heads/", "refs/tags/", "refs/"} {
		var wants []oid
		for name, r := range l.refs {
			if prefix != "" && (name == prefix || strings.HasSuffix(prefix, "/") && strings.HasPrefix(name, prefix)) {
				wants = append(wants, r.id)
			}
		}
		if len(wants) == 0 {
			continue
		}
		tried = append(tried, prefix)
		if err := m.receive(ctx, nil, fetchRequest{wants: unique(wants), history: true}); err != nil {
			return err
		}
		o, err := m.snapshot()
		if err != nil {
			return err
		}
		if o.has(w.commit) {
			return nil
		}
	}
	return fmt.Errorf("%w: no commit %s in the history of %s; was it rewritten by a forced push?",
		source.ErrNotFound, w.commit.hex(), strings.Join(tried, ", "))
}

func unique(ids []oid) []oid {
	seen := map[oid]bool{}
	var out []oid
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out
}

// haves are the latest commits that are complete.
func (m *mirror) haves(o *objects) []oid {
	var out []oid
	commits := m.state().Commits
	for i := len(commits) - 1; i >= 0 && len(out) < maxHaves; i-- {
		if id, ok := parseOID(commits[i]); ok && o.has(id) {
			out = append(out, id)
		}
	}
	return out
}

// receive fetches the difference to what is there or, as some servers cannot
// make that, all that is wanted.
func (m *mirror) receive(ctx context.Context, o *objects, req fetchRequest) error {
	req.known = o
	err := m.receiveOnce(ctx, req)
	if err == nil || len(req.haves) == 0 || ctx.Err() != nil || !refused(err) {
		return err
	}
	req.haves, req.known = nil, nil
	if again := m.receiveOnce(ctx, req); again != nil {
		return again
	}
	return nil
}

// receiveOnce fetches into a folder of its own and moves the pack in when it
// is complete.
func (m *mirror) receiveOnce(ctx context.Context, req fetchRequest) error {
	m.sweep()
	if err := os.MkdirAll(filepath.Join(m.dir, packsFolder), 0o700); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(m.dir, incoming)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	req.maxBytes = m.opts.MaxPackBytes
	if err := m.remote.fetch(ctx, req, dir); err != nil {
		return err
	}
	return install(dir, m.dir)
}

// install moves packs from one repository to another, the index last but one:
// a pack counts once its .pack is there.
func install(from, to string) error {
	found, err := filepath.Glob(filepath.Join(from, packsFolder, "pack-*.idx"))
	if err != nil {
		return err
	}
	for _, idx := range found {
		base := strings.TrimSuffix(idx, ".idx")
		for _, ext := range []string{".idx", ".pack"} {
			if err := syncFile(base + ext); err != nil {
				return err
			}
			target := filepath.Join(to, packsFolder, filepath.Base(base)+ext)
			if err := os.Rename(base+ext, target); err != nil {
				return err
			}
		}
	}
	return nil
}

func syncFile(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0) //nolint:gosec // below the mirror's folder
	if errors.Is(err, os.ErrPermission) {
		if f, err = os.Open(name); err != nil { //nolint:gosec // as above
			return err
		}
	} else if err != nil {
		return err
	}
	err = f.Sync()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// sweep removes what killed fetches left. The lock is held, so nobody else is
// at it.
func (m *mirror) sweep() {
	left, _ := filepath.Glob(filepath.Join(m.dir, incoming+"*"))
	for _, name := range left {
		_ = os.RemoveAll(name)
	}
}
