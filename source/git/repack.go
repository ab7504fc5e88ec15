package git

import (
	"bytes"
	"cmp"
	"compress/zlib"
	"context"
	"crypto/sha1" //nolint:gosec // the format of Git
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// use is when a commit was last wanted, and by which tag.
type use struct {
	turn int
	tag  oid
}

const (
	// keepCommits is how many commits are kept when packs are joined: those
	// that were wanted last.
	keepCommits = 32
	// Packs are joined before there are MaxPacks when together they have more
	// than growthFactor times the largest and growthSlack.
	growthFactor = 4
	growthSlack  = 256 << 20
)

// note remembers that a commit is wanted.
func (m *mirror) note(w want) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.used == nil {
		m.used = map[oid]use{}
	}
	m.turns++
	m.used[w.commit] = use{m.turns, w.tag}
}

// grown tells whether the packs should be joined.
func (m *mirror) grown(o *objects) bool {
	total, largest := int64(0), int64(0)
	for _, p := range o.packs {
		total += p.size
		largest = max(largest, p.size)
	}
	return len(o.packs) >= m.opts.MaxPacks || len(o.packs) > 1 && total > growthFactor*largest+growthSlack
}

// recent are the complete commits that were wanted last, and their tags.
func (m *mirror) recent(o *objects) (commits, tags []oid) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.state().Commits {
		if id, ok := parseOID(c); ok && o.has(id) {
			commits = append(commits, id)
		}
	}
	// Stable: of those that this process did not want, the latest fetched stay.
	slices.SortStableFunc(commits, func(a, b oid) int { return cmp.Compare(m.used[a].turn, m.used[b].turn) })
	commits = commits[max(0, len(commits)-keepCommits):]
	for _, c := range commits {
		if tag := m.used[c].tag; tag != "" && o.has(tag) {
			tags = append(tags, tag)
		}
	}
	return commits, tags
}

// repack joins the packs into one with what recent commits need, and removes
// the others. The caller holds the lock. Artifacts that read the old packs keep
// them open; other processes look for packs again when one is gone.
func (m *mirror) repack(ctx context.Context, o *objects) error {
	commits, tags := m.recent(o)
	ids, err := o.reachable(ctx, commits)
	if err != nil {
		return err
	}
	ids = append(ids, tags...)
	if len(ids) == 0 {
		return errors.New("no commit is complete")
	}
	m.sweep()
	dir, err := os.MkdirTemp(m.dir, incoming)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := o.copyPack(ctx, dir, ids); err != nil {
		return err
	}
	if err := install(dir, m.dir); err != nil {
		return err
	}
	if err := m.dropOthers(o, ids); err != nil {
		return err
	}
	return m.setCommits(commits)
}

// dropOthers removes the packs that were there before, if the new one has all
// objects.
func (m *mirror) dropOthers(old *objects, ids []oid) error {
	now, err := m.snapshot()
	if err != nil {
		return err
	}
	fresh := &objects{packs: slices.DeleteFunc(slices.Clone(now.packs), func(p *pack) bool { return slices.Contains(old.packs, p) })}
	for _, id := range ids {
		if !fresh.has(id) {
			return corruptf("object %s is not in the pack that it was copied to", id.hex())
		}
	}
	m.mu.Lock()
	m.packs, m.used = fresh.packs, nil
	m.bases = newByteCache(baseCacheSize) // the old one keeps the old packs open
	m.mu.Unlock()
	for _, p := range old.packs {
		// What cannot be removed now, as Windows lets nobody while it is
		// open, is removed the next time.
		_ = os.Remove(p.name + ".pack")
		_ = os.Remove(p.name + ".idx")
	}
	return nil
}

func (m *mirror) setCommits(commits []oid) error {
	s := mirrorState{}
	for _, c := range commits {
		s.Commits = append(s.Commits, c.hex())
	}
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(m.dir, stateFile), data)
}

// reachable lists commits and all that their trees hold, each once.
func (o *objects) reachable(ctx context.Context, commits []oid) ([]oid, error) {
	var ids []oid
	seen := map[oid]bool{}
	add := func(id oid) bool {
		if seen[id] {
			return false
		}
		seen[id] = true
		ids = append(ids, id)
		return true
	}
	var walk func(oid) error
	walk = func(tree oid) error {
		if !add(tree) {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		entries, err := o.tree(tree)
		if err != nil {
			return err
		}
		for _, e := range entries {
			switch e.mode & modeMask {
			case modeSubmodule:
			case modeDir:
				if err := walk(e.id); err != nil {
					return err
				}
			default:
				add(e.id)
			}
		}
		return nil
	}
	for _, id := range commits {
		c, err := o.commit(id)
		if err != nil {
			return nil, err
		}
		add(id)
		if err := walk(c.tree); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// copyPack writes objects into a pack below dir, which checks each of them.
func (o *objects) copyPack(ctx context.Context, dir string, ids []oid) error {
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.CloseWithError(o.writePack(w, ids))
	}()
	err := indexPack(ctx, dir, &boundedReader{ctx: ctx, r: r, left: 1<<63 - 1}, nil, len(ids[0]))
	_ = r.Close()
	<-done
	return err
}

// writePack writes a pack without deltas. Objects that are stored whole are
// copied as they are.
func (o *objects) writePack(w io.Writer, ids []oid) error {
	sum := sha1.New() //nolint:gosec // the format of Git
	if len(ids[0]) == sha256.Size {
		sum = sha256.New()
	}
	out := io.MultiWriter(w, sum)
	head := binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), uint32(len(ids))) //nolint:gosec // far fewer
	if _, err := out.Write(head); err != nil {
		return err
	}
	ends := map[*pack][]int64{}
	for _, id := range ids {
		at, ok := o.locate(id)
		if !ok {
			return fmt.Errorf("%w: %s", errMissing, id.hex())
		}
		if ends[at.pack] == nil {
			ends[at.pack] = at.pack.starts(len(id))
		}
		if err := o.writeObject(out, at, ends[at.pack]); err != nil {
			return fmt.Errorf("object %s: %w", id.hex(), err)
		}
	}
	_, err := w.Write(sum.Sum(nil))
	return err
}

// starts are the sorted offsets of all objects, and the end of the last.
func (p *pack) starts(idSize int) []int64 {
	all := make([]int64, 0, p.index.len()+1)
	for i := range p.index.len() {
		if off, ok := p.index.offset(i); ok {
			all = append(all, off)
		}
	}
	all = append(all, p.size-int64(idSize))
	slices.Sort(all)
	return all
}

func (o *objects) writeObject(w io.Writer, at packed, starts []int64) error {
	r, err := at.pack.record(at.offset)
	if err != nil {
		return err
	}
	if r.kind != typeOfsDelta && r.kind != typeRefDelta {
		if _, err := w.Write(packHead(r.kind, int(r.size))); err != nil {
			return err
		}
		i, _ := slices.BinarySearch(starts, at.offset+1)
		if i >= len(starts) || starts[i] < r.data {
			return corruptf("pack has no end for the object at %d", at.offset)
		}
		_, err = io.Copy(w, io.NewSectionReader(at.pack.file, r.data, starts[i]-r.data))
		return err
	}
	kind, data, err := o.load(at)
	if err != nil {
		return err
	}
	var body bytes.Buffer
	_, _ = body.Write(packHead(kind, len(data)))
	z := zlib.NewWriter(&body)
	_, _ = z.Write(data)
	_ = z.Close()
	_, err = w.Write(body.Bytes())
	return err
}
