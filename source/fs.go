package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/gitopskit/gitopskit/source/archive"
)

// tree implements fs.FS and its faster and link-aware extensions.
var (
	_ fs.ReadFileFS = (*tree)(nil)
	_ fs.ReadDirFS  = (*tree)(nil)
	_ fs.StatFS     = (*tree)(nil)
	_ fs.ReadLinkFS = (*tree)(nil)
)

func pathError(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}

func (t *tree) find(op, name string) (int, error) {
	if !fs.ValidPath(name) {
		return 0, pathError(op, name, fs.ErrInvalid)
	}
	i, err := t.resolve(name)
	if err != nil {
		return 0, pathError(op, name, err)
	}
	return i, nil
}

// Open implements fs.FS.
func (t *tree) Open(name string) (fs.File, error) {
	i, err := t.find("open", name)
	if err != nil {
		return nil, err
	}
	info := t.info(i, name)
	if info.IsDir() {
		return &openDir{info: info, entries: t.list(i)}, nil
	}
	// The interface takes no context; reading is from memory or local disk.
	r, err := t.open(context.Background(), t.entries[i])
	if err != nil {
		return nil, pathError("open", name, err)
	}
	return &openFile{ReadCloser: r, info: info}, nil
}

// ReadFile implements fs.ReadFileFS.
func (t *tree) ReadFile(name string) ([]byte, error) {
	i, err := t.find("read", name)
	if err != nil {
		return nil, err
	}
	if i < 0 || t.entries[i].Mode.IsDir() {
		return nil, pathError("read", name, errIsFolder)
	}
	r, err := t.open(context.Background(), t.entries[i])
	if err != nil {
		return nil, pathError("read", name, err)
	}
	defer r.Close()
	var buf bytes.Buffer
	buf.Grow(int(min(t.entries[i].Size, 64<<20)) + bytes.MinRead)
	if _, err := buf.ReadFrom(r); err != nil {
		return nil, pathError("read", name, err)
	}
	return buf.Bytes(), nil
}

// ReadDir implements fs.ReadDirFS.
func (t *tree) ReadDir(name string) ([]fs.DirEntry, error) {
	i, err := t.find("readdir", name)
	if err != nil {
		return nil, err
	}
	if i >= 0 && !t.entries[i].Mode.IsDir() {
		return nil, pathError("readdir", name, errors.New("not a folder"))
	}
	return t.list(i), nil
}

// Stat implements fs.StatFS.
func (t *tree) Stat(name string) (fs.FileInfo, error) {
	i, err := t.find("stat", name)
	if err != nil {
		return nil, err
	}
	return t.info(i, name), nil
}

// Lstat implements fs.ReadLinkFS.
func (t *tree) Lstat(name string) (fs.FileInfo, error) {
	i, err := t.lfind("lstat", name)
	if err != nil {
		return nil, err
	}
	return t.info(i, name), nil
}

// ReadLink implements fs.ReadLinkFS.
func (t *tree) ReadLink(name string) (string, error) {
	i, err := t.lfind("readlink", name)
	if err != nil {
		return "", err
	}
	if i < 0 || t.entries[i].Mode&fs.ModeSymlink == 0 {
		return "", pathError("readlink", name, fs.ErrInvalid)
	}
	return t.entries[i].Target, nil
}

// lfind follows links in the folders of name, and not name itself.
func (t *tree) lfind(op, name string) (int, error) {
	if !fs.ValidPath(name) {
		return 0, pathError(op, name, fs.ErrInvalid)
	}
	if name == "." {
		return -1, nil
	}
	if i, ok := t.byPath[name]; ok {
		return i, nil
	}
	dir, err := t.resolve(dirOf(name))
	if err != nil {
		return 0, pathError(op, name, err)
	}
	real := baseOf(name)
	if dir >= 0 {
		real = t.entries[dir].Path + "/" + real
	}
	if i, ok := t.byPath[real]; ok {
		return i, nil
	}
	return 0, pathError(op, name, fs.ErrNotExist)
}

func (t *tree) list(i int) []fs.DirEntry {
	dir := "."
	if i >= 0 {
		dir = t.entries[i].Path
	}
	out := make([]fs.DirEntry, 0, len(t.children[dir]))
	for _, c := range t.children[dir] {
		out = append(out, fs.FileInfoToDirEntry(t.info(c, t.entries[c].Path)))
	}
	return out
}

func (t *tree) info(i int, name string) fileInfo {
	if i < 0 {
		return fileInfo{name: baseOf(name), entry: archive.Entry{Mode: fs.ModeDir | 0o755}}
	}
	return fileInfo{name: baseOf(name), entry: t.entries[i]}
}

type fileInfo struct {
	name  string
	entry archive.Entry
}

func (f fileInfo) Name() string      { return f.name }
func (f fileInfo) Size() int64       { return f.entry.Size }
func (f fileInfo) Mode() fs.FileMode { return f.entry.Mode }
func (fileInfo) ModTime() time.Time  { return time.Time{} }
func (f fileInfo) IsDir() bool       { return f.entry.Mode.IsDir() }

// Sys returns the archive.Entry, which holds the content's ID.
func (f fileInfo) Sys() any { return f.entry }

type openFile struct {
	io.ReadCloser
	info fileInfo
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }

type openDir struct {
	info    fileInfo
	entries []fs.DirEntry
	next    int
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openDir) Close() error               { return nil }
func (d *openDir) Read([]byte) (int, error) {
	return 0, pathError("read", d.info.name, errIsFolder)
}

// ReadDir implements fs.ReadDirFile.
func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	rest := d.entries[d.next:]
	if n > 0 && len(rest) == 0 {
		return nil, io.EOF
	}
	if n > 0 && len(rest) > n {
		rest = rest[:n]
	}
	d.next += len(rest)
	return append([]fs.DirEntry(nil), rest...), nil
}

// String names the tree in debug output without listing it.
func (t *tree) String() string { return fmt.Sprintf("artifact of %d entries", len(t.entries)) }
