package git

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/gitopskit/gitopskit/source"
)

// mirror keeps the objects of one repository in packs:
//
//	objects/pack/pack-*.{pack,idx}   what was fetched, each complete and checked
//	state.json                       the commits that are complete
//	incoming-*/                      fetches under way; swept under the lock
//	segments/                        compressed parts of archives
//	lock                             held by the process that changes the above
//
// Packs are only ever added or removed whole, so readers need no lock. They are
// joined when there are many.
type mirror struct {
	dir    string
	remote remote
	auth   Auth
	opts   MirrorOptions
	lister lister
	bases  *byteCache

	turn chan struct{} // held by the goroutine that changes the mirror

	mu    sync.Mutex
	packs []*pack
	cache *segmentCache
	used  map[oid]use // commits that were wanted since packs were joined
	turns int
}

// mirrorState is what state.json holds.
type mirrorState struct {
	// Commits are complete with their trees, the latest used last.
	Commits []string `json:"commits"`
}

const (
	maxCommits  = 64 // how many commits a mirror knows to be complete
	maxHaves    = 16 // how many of them a fetch mentions
	incoming    = "incoming-"
	stateFile   = "state.json"
	packsFolder = "objects/pack"
)

// snapshot returns the objects that are there now.
func (m *mirror) snapshot() (*objects, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.load(); err != nil {
		return nil, err
	}
	return &objects{packs: slices.Clone(m.packs), bases: m.bases}, nil
}

// load opens packs that came and forgets those that went.
func (m *mirror) load() error {
	names, err := filepath.Glob(filepath.Join(m.dir, packsFolder, "pack-*.pack"))
	if err != nil {
		return err
	}
	known := map[string]*pack{}
	for _, p := range m.packs {
		known[p.name] = p
	}
	var packs []*pack
	for _, name := range names {
		base := strings.TrimSuffix(name, ".pack")
		p, ok := known[base]
		if !ok {
			if p, err = openPack(base, idSize(base)); errors.Is(err, fs.ErrNotExist) {
				continue // another process removed it
			} else if err != nil {
				return fmt.Errorf("%s: %w", filepath.Base(base), err)
			}
		}
		packs = append(packs, p)
	}
	m.packs = packs
	return nil
}

// idSize tells from a pack's name, which is a hash, how long ids in it are.
func idSize(base string) int {
	if hash := base[strings.LastIndexByte(base, '-')+1:]; len(hash) == 64 {
		return 32
	}
	return 20
}

func (m *mirror) state() mirrorState {
	var s mirrorState
	data, err := os.ReadFile(filepath.Join(m.dir, stateFile))
	if err == nil {
		// A state that cannot be read counts as empty: it only saves work.
		_ = json.Unmarshal(data, &s)
	}
	return s
}

// complete records that a commit is there with all of its files.
func (m *mirror) complete(id oid) error {
	s := m.state()
	s.Commits = slices.DeleteFunc(s.Commits, func(c string) bool { return c == id.hex() })
	s.Commits = append(s.Commits, id.hex())
	if over := len(s.Commits) - maxCommits; over > 0 {
		s.Commits = s.Commits[over:]
	}
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(m.dir, stateFile), data)
}

// writeFile replaces a file at once.
func writeFile(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), incoming)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(data)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// isComplete tells whether a commit is known to be there with all of its
// files.
func (m *mirror) isComplete(o *objects, w want) bool {
	return o.has(w.commit) && (w.tag == "" || o.has(w.tag)) && slices.Contains(m.state().Commits, w.commit.hex())
}

// want is a commit that is to be brought.
type want struct {
	commit oid
	// ref is where the commit was seen, or the branch to look for it in.
	ref string
	// tag is the annotated tag that is to be brought too, or "".
	tag oid
	// again brings it although it is there: what is there is damaged.
	again bool
}

// bring makes sure that a commit is there. It asks the server only if it is
// not.
func (m *mirror) bring(ctx context.Context, w want) (*objects, error) {
	m.note(w)
	if !w.again {
		if o, err := m.snapshot(); err == nil && m.isComplete(o, w) {
			return o, nil
		}
	}
	unlock, err := m.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	o, err := m.tidy(ctx, w.again)
	if err != nil {
		return nil, err
	}
	if m.isComplete(o, w) {
		return o, nil // another process was faster
	}
	if err := m.fetch(ctx, o, w); err != nil {
		return nil, err
	}
	if o, err = m.snapshot(); err != nil {
		return nil, err
	}
	if !o.has(w.commit) {
		return nil, fmt.Errorf("%w: the server sent a pack without commit %s", source.ErrUnreachable, w.commit.hex())
	}
	if w.tag != "" && !o.has(w.tag) {
		return nil, fmt.Errorf("%w: the server sent a pack without tag %s", source.ErrUnreachable, w.tag.hex())
	}
	return o, m.complete(w.commit)
}

// tidy returns what is there after joining packs, if there are many, and
// nothing if it is damaged. The caller holds the lock.
func (m *mirror) tidy(ctx context.Context, damaged bool) (*objects, error) {
	o, err := m.snapshot()
	if err == nil && !damaged {
		if !m.grown(o) {
			return o, nil
		}
		if err := m.repack(ctx, o); err == nil {
			return m.snapshot()
		} else if ctx.Err() != nil || isDiskFull(err) {
			return nil, err
		}
	}
	if err := m.reset(); err != nil {
		return nil, err
	}
	return &objects{bases: m.bases}, nil
}

// reset removes what is there. Artifacts that read it keep their files open.
func (m *mirror) reset() error {
	m.mu.Lock()
	m.packs = nil
	m.bases = newByteCache(baseCacheSize)
	m.mu.Unlock()
	return errors.Join(
		os.RemoveAll(filepath.Join(m.dir, stateFile)),
		os.RemoveAll(filepath.Join(m.dir, "objects")))
}
