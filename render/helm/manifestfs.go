package helm

import (
	"bytes"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// manifestFS is a folder of files in memory, by their names: what post-rendering
// gives to Kustomize.
type manifestFS map[string]string

// Open implements fs.FS.
func (m manifestFS) Open(name string) (fs.File, error) {
	if name == "." {
		return &memoryFile{info: memoryInfo{name: ".", dir: true}, entries: m.entries()}, nil
	}
	text, ok := m[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &memoryFile{Reader: bytes.NewReader([]byte(text)), info: memoryInfo{name: name, size: int64(len(text))}}, nil
}

func (m manifestFS) entries() []fs.DirEntry {
	var out []fs.DirEntry
	for name, text := range m {
		out = append(out, fs.FileInfoToDirEntry(memoryInfo{name: name, size: int64(len(text))}))
	}
	slices.SortFunc(out, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return out
}

// memoryFile is a file, or the folder.
type memoryFile struct {
	*bytes.Reader
	info    memoryInfo
	entries []fs.DirEntry
}

// Read implements fs.File.
func (f *memoryFile) Read(p []byte) (int, error) {
	if f.info.dir {
		return 0, &fs.PathError{Op: "read", Path: f.info.name, Err: fs.ErrInvalid}
	}
	return f.Reader.Read(p)
}

// ReadDir implements fs.ReadDirFile.
func (f *memoryFile) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 {
		n = len(f.entries)
	} else if len(f.entries) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(f.entries))
	out := f.entries[:n]
	f.entries = f.entries[n:]
	return out, nil
}

// Stat implements fs.File.
func (f *memoryFile) Stat() (fs.FileInfo, error) { return f.info, nil }

// Close implements fs.File.
func (f *memoryFile) Close() error { return nil }

type memoryInfo struct {
	name string
	size int64
	dir  bool
}

func (i memoryInfo) Name() string       { return i.name }
func (i memoryInfo) Size() int64        { return i.size }
func (i memoryInfo) ModTime() time.Time { return time.Time{} }
func (i memoryInfo) IsDir() bool        { return i.dir }
func (i memoryInfo) Sys() any           { return nil }
func (i memoryInfo) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o555
	}
	return 0o444
}
