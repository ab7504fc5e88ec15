package archive

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"sort"
)

// Scan lists the entries of a tree that ignore keeps, sorted by path, and
// returns the function that opens them. It reads the tree's IgnoreFiles into
// ignore, which must be fresh; nil keeps everything, Git's own folder too.
//
// Symbolic links are kept as links where fsys implements fs.ReadLinkFS, as
// os.DirFS does.
func Scan(fsys fs.FS, ignore *Ignore) ([]Entry, OpenFunc, error) {
	var all []Entry
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return fail("scan", p, err)
		}
		if p == "." {
			return nil
		}
		if ignore != nil && d.IsDir() && d.Name() == ".git" {
			return fs.SkipDir
		}
		e, err := scanEntry(fsys, p, d)
		if err != nil {
			return fail("scan", p, err)
		}
		all = append(all, e)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	if ignore != nil {
		read := func(p string) ([]byte, error) { return fs.ReadFile(fsys, p) }
		if all, err = ignore.Filter(all, read); err != nil {
			return nil, nil, err
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Path < all[j].Path })
	open := func(_ context.Context, e Entry) (io.ReadCloser, error) { return fsys.Open(e.Path) }
	return all, open, nil
}

func scanEntry(fsys fs.FS, p string, d fs.DirEntry) (Entry, error) {
	info, err := d.Info()
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Path: p}
	switch mode := info.Mode(); {
	case mode.IsDir():
		e.Mode = fs.ModeDir | 0o755
	case mode.IsRegular():
		e.Mode, e.Size = 0o644, info.Size()
		if mode&0o111 != 0 {
			e.Mode = 0o755
		}
	case mode&fs.ModeSymlink != 0:
		e.Mode = fs.ModeSymlink | 0o777
		links, ok := fsys.(fs.ReadLinkFS)
		if !ok {
			return Entry{}, errors.New("the file system shows a symbolic link and cannot read it")
		}
		if e.Target, err = links.ReadLink(p); err != nil {
			return Entry{}, err
		}
	default:
		return Entry{}, unsafef("an artifact holds no entry of type %s", mode.Type())
	}
	return e, nil
}

// Filter adds the IgnoreFiles among entries to the rules and returns the
// entries that are kept. A folder is kept unless it is left out itself or was
// emptied by leaving out what it held. The function read returns the content
// of a file.
func (g *Ignore) Filter(entries []Entry, read func(path string) ([]byte, error)) ([]Entry, error) {
	var files []string
	for _, e := range entries {
		if e.Mode.IsRegular() {
			files = append(files, e.Path)
		}
	}
	if err := g.AddFiles(files, read); err != nil {
		return nil, err
	}
	kept := make([]Entry, 0, len(entries))
	needed := map[string]bool{}
	hadFiles := map[string]bool{}
	for _, e := range entries {
		if e.Mode.IsDir() {
			continue
		}
		mark(hadFiles, parent(e.Path))
		if !g.Match(e.Path, false) {
			kept = append(kept, e)
			mark(needed, parent(e.Path))
		}
	}
	for _, e := range entries {
		if e.Mode.IsDir() && (needed[e.Path] || !hadFiles[e.Path] && !g.Match(e.Path, true)) {
			kept = append(kept, e)
		}
	}
	sort.Slice(kept, func(i, j int) bool { return kept[i].Path < kept[j].Path })
	return kept, nil
}

// mark sets dir and the folders above it.
func mark(set map[string]bool, dir string) {
	for ; dir != "" && !set[dir]; dir = parent(dir) {
		set[dir] = true
	}
}
