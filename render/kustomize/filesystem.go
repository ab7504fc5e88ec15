package kustomize

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"sigs.k8s.io/kustomize/kyaml/filesys"
)

var errReadOnly = errors.New("the file system of a build is read-only")

// fileSystem gives the tree to the kustomize library.
type fileSystem struct{ *tree }

var _ filesys.FileSystem = fileSystem{}

func (f fileSystem) Create(string) (filesys.File, error) { return nil, errReadOnly }
func (f fileSystem) Mkdir(string) error                  { return errReadOnly }
func (f fileSystem) MkdirAll(string) error               { return errReadOnly }
func (f fileSystem) RemoveAll(string) error              { return errReadOnly }
func (f fileSystem) WriteFile(string, []byte) error      { return errReadOnly }
func (f fileSystem) Open(string) (filesys.File, error)   { return nil, errReadOnly }
func (f fileSystem) IsDir(p string) bool                 { return f.isDir(p) }

func (f fileSystem) Exists(p string) bool {
	_, _, err := f.resolve(p)
	return err == nil
}

// CleanedAbs splits a path, without links, into folder and file.
func (f fileSystem) CleanedAbs(p string) (filesys.ConfirmedDir, string, error) {
	if err := f.alive(); err != nil {
		return "", "", f.hard(err)
	}
	real, info, err := f.resolve(p)
	if err != nil {
		return "", "", fmt.Errorf("%s: %w", display(p), err)
	}
	if info.IsDir() {
		return filesys.ConfirmedDir(real), "", nil
	}
	return filesys.ConfirmedDir(path.Dir(real)), path.Base(real), nil
}

// ReadFile returns a copy: the library parses in place.
func (f fileSystem) ReadFile(p string) ([]byte, error) {
	data, err := f.read(p)
	return append([]byte(nil), data...), err
}

func (f fileSystem) ReadDir(p string) ([]string, error) {
	real, _, err := f.resolve(p)
	if err != nil {
		return nil, err
	}
	root, name, err := f.mountOf(real)
	if err != nil {
		return nil, err
	}
	entries, err := fs.ReadDir(f.mounts[root], name)
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

// Glob and Walk are no part of a build: kustomizations have no patterns.
func (f fileSystem) Glob(string) ([]string, error)        { return nil, errors.ErrUnsupported }
func (f fileSystem) Walk(string, filepath.WalkFunc) error { return errors.ErrUnsupported }

// overlayInfo describes a file that is only in memory.
type overlayInfo struct {
	name string
	size int64
}

func (i overlayInfo) Name() string       { return i.name }
func (i overlayInfo) Size() int64        { return i.size }
func (i overlayInfo) Mode() os.FileMode  { return 0o444 }
func (i overlayInfo) ModTime() time.Time { return time.Time{} }
func (i overlayInfo) IsDir() bool        { return false }
func (i overlayInfo) Sys() any           { return nil }
