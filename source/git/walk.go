package git

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/archive"
)

// commit is what is needed of a commit object.
type commit struct {
	tree      oid
	committed time.Time
	raw       []byte
}

func (o *objects) commit(id oid) (commit, error) {
	raw, err := o.read(id, typeCommit)
	if err != nil {
		return commit{}, err
	}
	c := commit{raw: raw}
	for line := range bytes.Lines(raw) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		if len(line) == 0 {
			break
		}
		key, value, _ := strings.Cut(string(line), " ")
		switch key {
		case "tree":
			tree, ok := parseOID(value)
			if !ok {
				return commit{}, corruptf("commit %s names no tree", id.hex())
			}
			c.tree = tree
		case "committer":
			c.committed = signatureTime(value)
		}
	}
	if c.tree == "" {
		return commit{}, corruptf("commit %s names no tree", id.hex())
	}
	return c, nil
}

// signatureTime reads the time of "Name <mail> 1700000000 +0100"; zero if there
// is none.
func signatureTime(s string) time.Time {
	fields := strings.Fields(s[strings.LastIndexByte(s, '>')+1:])
	if len(fields) == 0 {
		return time.Time{}
	}
	sec, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(sec, 0).UTC()
}

type treeEntry struct {
	mode uint32
	name string
	id   oid
}

// Modes in tree objects.
const (
	modeDir       = 0o040000
	modeFile      = 0o100000
	modeSymlink   = 0o120000
	modeSubmodule = 0o160000
	modeMask      = 0o170000
)

func (o *objects) tree(id oid) ([]treeEntry, error) {
	raw, err := o.read(id, typeTree)
	if err != nil {
		return nil, err
	}
	var out []treeEntry
	for len(raw) > 0 {
		space := bytes.IndexByte(raw, ' ')
		end := bytes.IndexByte(raw, 0)
		if space < 0 || end < space || len(raw) < end+1+len(id) {
			return nil, corruptf("tree %s is cut off", id.hex())
		}
		mode, err := strconv.ParseUint(string(raw[:space]), 8, 32)
		if err != nil {
			return nil, corruptf("tree %s has a mode %q", id.hex(), raw[:space])
		}
		out = append(out, treeEntry{uint32(mode), string(raw[space+1 : end]), oid(raw[end+1 : end+1+len(id)])})
		raw = raw[end+1+len(id):]
	}
	return out, nil
}

// walker lists the files below trees.
type walker struct {
	objects  *objects
	maxFiles int
	// bytesLeft is how many bytes the files that are still to come may have.
	bytesLeft int64
	entries   []archive.Entry
	subs      []submodule
	prefix    string     // of the submodule that is walked
	used      []*objects // of submodules
	parts     []part     // the repository and its submodules
}

// submodule is a commit of another repository that a tree names.
type submodule struct {
	path   string
	commit oid
}

func (w *walker) walk(ctx context.Context, id oid, dir string) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	entries, err := w.objects.tree(id)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.name)
		if e.name == "" || strings.Contains(e.name, "/") {
			return unsafePath(dir+"/"+e.name, fmt.Errorf("%w: a name in a tree is one component", source.ErrUnsafe))
		}
		if e.name == "." || e.name == ".." {
			return unsafePath(dir+"/"+e.name, fmt.Errorf("%w: name leaves the folder", source.ErrUnsafe))
		}
		if err := archive.CheckPath(name); err != nil {
			return unsafePath(name, err)
		}
		if err := w.visit(ctx, e, name); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) visit(ctx context.Context, e treeEntry, name string) error {
	if len(w.entries) >= w.maxFiles {
		return fmt.Errorf("%w: more than %d files; set Options.MaxFiles, or select some with SparsePaths or Ignore", source.ErrTooLarge, w.maxFiles)
	}
	switch e.mode & modeMask {
	case modeDir:
		return w.walk(ctx, e.id, name)
	case modeFile:
		return w.file(e, name)
	case modeSymlink:
		target, err := w.target(e.id, name)
		if err != nil {
			return err
		}
		w.entries = append(w.entries, archive.Entry{Path: name, Mode: fs.ModeSymlink | 0o777, Target: target})
	case modeSubmodule:
		w.subs = append(w.subs, submodule{name, e.id})
		w.entries = append(w.entries, archive.Entry{Path: name, Mode: fs.ModeDir | 0o755})
	default:
		return corruptf("%q has the mode %o", name, e.mode)
	}
	return nil
}

// maxTarget is the longest target of a symbolic link (Linux's PATH_MAX).
const maxTarget = 4096

func (w *walker) target(id oid, name string) (string, error) {
	size, err := w.objects.size(id)
	if err != nil {
		return "", err
	}
	if size > maxTarget {
		return "", unsafePath(name, fmt.Errorf("%w: symbolic link to a path of %d bytes", source.ErrUnsafe, size))
	}
	target, err := w.objects.read(id, typeBlob)
	return string(target), err
}

func (w *walker) file(e treeEntry, name string) error {
	size, err := w.objects.size(e.id)
	if err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	if size < 0 || size > w.bytesLeft {
		return fmt.Errorf("%w: the files together are too large, with %q of %d bytes; set Options.MaxBytes, or select some with SparsePaths",
			source.ErrTooLarge, name, size)
	}
	w.bytesLeft -= size
	mode := fs.FileMode(0o644)
	if e.mode&0o111 != 0 {
		mode = 0o755
	}
	w.entries = append(w.entries, archive.Entry{
		Path: name, Mode: mode, Size: size, ID: e.id.algorithm() + ":" + e.id.hex(),
	})
	return nil
}

func unsafePath(name string, err error) error {
	return &source.Error{Op: "read tree", Ref: strconv.Quote(name), Err: err}
}

// selection is a sub-tree that is wanted.
type selection struct {
	path string // "" is all
	tree oid
}

// selectTrees finds the folders that are wanted below the commit's tree.
func (o *objects) selectTrees(root oid, paths []string) ([]selection, error) {
	if len(paths) == 0 {
		return []selection{{tree: root}}, nil
	}
	var out []selection
	for _, p := range withoutNested(paths) {
		id, err := o.subtree(root, p)
		if err != nil {
			return nil, err
		}
		out = append(out, selection{path: p, tree: id})
	}
	return out, nil
}

// withoutNested drops paths below others, and repeated ones.
func withoutNested(paths []string) []string {
	sorted := slices.Clone(paths)
	slices.Sort(sorted)
	var out []string
	for _, p := range sorted {
		nested := slices.ContainsFunc(out, func(q string) bool {
			return q == "" || p == q || strings.HasPrefix(p, q+"/")
		})
		if !nested {
			out = append(out, p)
		}
	}
	return out
}

func (o *objects) subtree(root oid, p string) (oid, error) {
	id := root
	if p == "" {
		return id, nil
	}
	for i, part := range strings.Split(p, "/") {
		entries, err := o.tree(id)
		if err != nil {
			return "", err
		}
		at := slices.IndexFunc(entries, func(e treeEntry) bool { return e.name == part })
		if at < 0 || entries[at].mode&modeMask != modeDir {
			have := strings.Join(strings.Split(p, "/")[:i], "/")
			return "", fmt.Errorf("%w: sparse path %q: %q has no folder %q%s", source.ErrNotFound, p, "/"+have, part, suggest(part, folderNames(entries)))
		}
		id = entries[at].id
	}
	return id, nil
}

func folderNames(entries []treeEntry) []string {
	var out []string
	for _, e := range entries {
		if e.mode&modeMask == modeDir {
			out = append(out, e.name)
		}
	}
	return out
}
