package git

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/archive"
	"github.com/gitopskit/gitopskit/source/git/signature"
)

// edited is a new commit and the objects that it brings.
type edited struct {
	commit  oid
	objects []newObject
	like    oid // an id of the repository's kind
}

type newObject struct {
	id   oid
	kind int
	data []byte
}

func (e *edited) add(kind int, data []byte) oid {
	id := idOf(e.like, kind, data)
	e.objects = append(e.objects, newObject{id, kind, data})
	return id
}

// idOf is the id of an object in a repository that has ids like another.
func idOf(like oid, kind int, data []byte) oid {
	h := newHash(like, kind, int64(len(data)))
	_, _ = h.Write(data)
	return oid(h.Sum(nil))
}

// compute calls the user's function and makes the commit; nil if nothing
// changes.
func (p *push) compute(ctx context.Context, o *objects, base picked) (*edited, error) {
	c, err := o.commit(base.commit)
	if err != nil {
		return nil, err
	}
	w := walker{objects: o, maxFiles: p.source.opts.MaxFiles, bytesLeft: p.source.opts.MaxBytes}
	if err := w.walk(ctx, c.tree, ""); err != nil {
		return nil, err
	}
	a, err := source.NewArtifact(source.Contents{Revision: base.revision(), Entries: w.entries, Open: opener([]*objects{o})})
	if err != nil {
		return nil, err
	}
	change, err := p.change(ctx, a)
	if err != nil {
		return nil, fmt.Errorf("computing the change: %w", err)
	}
	if len(change.Edits) == 0 {
		return nil, nil
	}
	root, err := editTree(change.Edits)
	if err != nil {
		return nil, err
	}
	e := &edited{like: base.commit}
	tree, err := e.rewrite(o, c.tree, root)
	if err != nil {
		return nil, err
	}
	if tree == c.tree {
		return nil, nil
	}
	if tree == "" {
		tree = e.add(typeTree, nil)
	}
	return e, p.commit(e, tree, base.commit, change.Message)
}

// edits is a folder of edits by name.
type edits struct {
	folders map[string]*edits
	files   map[string]Edit
}

func newEdits() *edits { return &edits{folders: map[string]*edits{}, files: map[string]Edit{}} }

func editTree(list []Edit) (*edits, error) {
	root := newEdits()
	for _, e := range list {
		if err := checkEdit(e.Path); err != nil {
			return nil, fmt.Errorf("edit of %q: %w", e.Path, err)
		}
		at := root
		parts := strings.Split(e.Path, "/")
		for _, dir := range parts[:len(parts)-1] {
			if at.folders[dir] == nil {
				at.folders[dir] = newEdits()
			}
			at = at.folders[dir]
		}
		name := path.Base(e.Path)
		if _, twice := at.files[name]; twice {
			return nil, invalidf("two edits of %q", e.Path)
		}
		at.files[name] = e
	}
	return root, nil
}

func checkEdit(p string) error {
	if err := archive.CheckPath(p); err != nil {
		return err
	}
	for part := range strings.SplitSeq(p, "/") {
		if archive.IsGitName(part) {
			return fmt.Errorf("%w: %q is a name that Git keeps for itself", source.ErrUnsafe, part)
		}
	}
	return nil
}

// rewrite returns the id of a tree with the edits in it, or "" if it is empty
// then. An id of "" stands for a folder that does not exist yet.
func (e *edited) rewrite(o *objects, id oid, change *edits) (oid, error) {
	byName := map[string]treeEntry{}
	if id != "" {
		entries, err := o.tree(id)
		if err != nil {
			return "", err
		}
		for _, t := range entries {
			byName[t.name] = t
		}
	}
	for name, sub := range change.folders {
		old := byName[name]
		if old.name != "" && old.mode&modeMask != modeDir {
			return "", invalidf("edit below %q, which is no folder", name)
		}
		tree, err := e.rewrite(o, old.id, sub)
		if err != nil {
			return "", err
		}
		if tree == "" {
			delete(byName, name)
			continue
		}
		byName[name] = treeEntry{modeDir, name, tree}
	}
	for name, edit := range change.files {
		if err := e.file(byName, name, edit); err != nil {
			return "", err
		}
	}
	if len(byName) == 0 {
		return "", nil
	}
	data := encodeTree(byName)
	if id != "" {
		if same := idOf(e.like, typeTree, data); same == id {
			return id, nil
		}
	}
	return e.add(typeTree, data), nil
}

func (e *edited) file(byName map[string]treeEntry, name string, edit Edit) error {
	old, exists := byName[name]
	if exists && old.mode&modeMask != modeFile {
		return invalidf("edit of %q, which is no file", edit.Path)
	}
	if edit.Delete {
		delete(byName, name)
		return nil
	}
	mode := uint32(modeFile | 0o644)
	if edit.Executable {
		mode = modeFile | 0o755
	}
	if exists {
		mode = old.mode
	}
	id := idOf(e.like, typeBlob, edit.Content)
	if !exists || id != old.id {
		e.add(typeBlob, bytes.Clone(edit.Content))
	}
	byName[name] = treeEntry{mode, name, id}
	return nil
}

// encodeTree writes a tree object; folders sort as if they ended with a slash.
func encodeTree(byName map[string]treeEntry) []byte {
	all := make([]treeEntry, 0, len(byName))
	for _, t := range byName {
		all = append(all, t)
	}
	key := func(t treeEntry) string {
		if t.mode&modeMask == modeDir {
			return t.name + "/"
		}
		return t.name
	}
	sort.Slice(all, func(i, j int) bool { return key(all[i]) < key(all[j]) })
	var buf bytes.Buffer
	for _, t := range all {
		_, _ = buf.WriteString(strconv.FormatUint(uint64(t.mode), 8) + " " + t.name + "\x00" + string(t.id))
	}
	return buf.Bytes()
}

// commit makes the commit object.
func (p *push) commit(e *edited, tree, parent oid, message string) error {
	if strings.TrimSpace(message) == "" {
		return invalidf("Change.Message is empty")
	}
	committer := p.opts.Committer
	if committer == (Signature{}) {
		committer = p.opts.Author
	}
	now := time.Now()
	if !strings.HasSuffix(message, "\n") {
		message += "\n"
	}
	raw := fmt.Appendf(nil, "tree %s\nparent %s\nauthor %s\ncommitter %s\n\n%s",
		tree.hex(), parent.hex(), p.opts.Author.line(now), committer.line(now), message)
	if p.opts.Signer != nil {
		sig, err := p.opts.Signer.Sign(raw)
		if err != nil {
			return err
		}
		raw = signature.JoinCommit(raw, sig)
	}
	e.commit = e.add(typeCommit, raw)
	return nil
}

func (g Signature) line(now time.Time) string {
	when := g.When
	if when.IsZero() {
		when = now
	}
	return fmt.Sprintf("%s <%s> %d %s", g.Name, g.Email, when.Unix(), when.Format("-0700"))
}
