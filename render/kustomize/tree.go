package kustomize

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// The file systems of a build are mounted in one virtual tree, of which nothing
// is on disk: the artifact at artifactRoot, and each remote reference beside it.
const (
	artifactRoot = "/artifact"
	remoteRoot   = "/remote/"
	maxLinks     = 40
	notRegular   = "is not a regular file"
)

// tree reads from the mounted file systems, through symbolic links that stay
// inside their own, within limits, and keeps what it has read.
type tree struct {
	alive    func() error // the context's error
	mounts   map[string]fs.FS
	overlay  map[string][]byte // replaces or adds files, by virtual path
	contents map[string][]byte
	paths    map[string]resolved
	folders  map[string][]byte // folders that are read like one manifest
	limits   Limits
	left     int64
	// failure is the first error that must not be lost in the library's
	// attempts to read a path as this and as that.
	failure error
	// lastRead is the file that was read last, for what panics.
	lastRead string
	// check looks at a file that is read the first time.
	check func(name string, data []byte) error
}

func newTree(alive func() error, fsys fs.FS, l Limits) *tree {
	return &tree{
		alive: alive, mounts: map[string]fs.FS{artifactRoot: fsys},
		overlay: map[string][]byte{}, contents: map[string][]byte{}, folders: map[string][]byte{}, paths: map[string]resolved{},
		limits: l, left: l.TotalSize,
	}
}

// mountOf splits a virtual path into its mount and the name in it.
func (t *tree) mountOf(p string) (root, name string, err error) {
	p = path.Clean(p)
	for root := range t.mounts {
		if p == root {
			return root, ".", nil
		}
		if rest, ok := strings.CutPrefix(p, root+"/"); ok {
			return root, rest, nil
		}
	}
	return "", "", fmt.Errorf("%w: %s", ErrOutside, p)
}

// display is a virtual path as people know it: relative to the artifact.
func display(p string) string {
	if p == artifactRoot {
		return "."
	}
	return strings.TrimPrefix(p, artifactRoot+"/")
}

// resolved is what resolve found: a build looks at the same paths again and again.
type resolved struct {
	real string
	info fs.FileInfo
	err  error
}

// resolve follows symbolic links and returns the virtual path without any, and
// what is there.
func (t *tree) resolve(p string) (string, fs.FileInfo, error) {
	p = path.Clean(p)
	if data, ok := t.overlay[p]; ok {
		return p, overlayInfo{name: path.Base(p), size: int64(len(data))}, nil
	}
	r, ok := t.paths[p]
	if !ok {
		r.real, r.info, r.err = t.lookUp(p)
		t.paths[p] = r
	}
	return r.real, r.info, r.err
}

func (t *tree) lookUp(p string) (string, fs.FileInfo, error) {
	root, name, err := t.mountOf(p)
	if err != nil {
		return "", nil, t.hard(err)
	}
	p = path.Join(root, name)
	fsys := t.mounts[root]
	if links, ok := fsys.(fs.ReadLinkFS); ok {
		if name, err = followLinks(links, name); err != nil {
			return "", nil, t.hardLink(p, err)
		}
	}
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return "", nil, err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return "", nil, t.hard(fmt.Errorf("%w: %s is a symbolic link and the file system does not say where to", ErrOutside, display(p)))
	}
	return path.Join(root, name), info, nil
}

// hardLink keeps an error of a link that leads out; others are ordinary.
func (t *tree) hardLink(p string, err error) error {
	if errors.Is(err, ErrOutside) || errors.Is(err, ErrLimit) {
		return t.hard(fmt.Errorf("symbolic link %s: %w", display(p), err))
	}
	return err
}

func (t *tree) hard(err error) error {
	if t.failure == nil {
		t.failure = err
	}
	return err
}

// followLinks replaces each element of name that is a symbolic link.
func followLinks(fsys fs.ReadLinkFS, name string) (string, error) {
	done, rest, hops := ".", name, 0
	for rest != "" && rest != "." {
		element, more, _ := strings.Cut(rest, "/")
		rest = more
		next := path.Join(done, element)
		info, err := fsys.Lstat(next)
		if err != nil {
			return "", err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			done = next
			continue
		}
		if hops++; hops > maxLinks {
			return "", fmt.Errorf("%w: more than %d symbolic links", ErrLimit, maxLinks)
		}
		target, err := fsys.ReadLink(next)
		if err != nil {
			return "", err
		}
		joined := path.Join(done, target)
		if path.IsAbs(target) || joined == ".." || strings.HasPrefix(joined, "../") {
			return "", fmt.Errorf("%w: %s", ErrOutside, target)
		}
		done, rest = ".", path.Join(joined, rest)
	}
	return done, nil
}

// read returns the content of a file. The caller must not change it.
func (t *tree) read(p string) ([]byte, error) {
	if err := t.alive(); err != nil {
		return nil, t.hard(err)
	}
	if data, ok := t.overlay[path.Clean(p)]; ok {
		return data, nil
	}
	real, info, err := t.resolve(p)
	if err != nil {
		return nil, err
	}
	if data, ok := t.overlay[real]; ok {
		return data, nil
	}
	if data, ok := t.contents[real]; ok {
		return data, nil
	}
	if data := t.folders[real]; data != nil && info.IsDir() {
		return data, nil
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: display(real), Err: errors.New(notRegular)}
	}
	t.lastRead = real
	data, err := t.load(real)
	if err != nil {
		return nil, err
	}
	t.contents[real] = data
	return data, nil
}

// load reads a file within the limits and checks it.
func (t *tree) load(real string) ([]byte, error) {
	root, name, err := t.mountOf(real)
	if err != nil {
		return nil, err
	}
	f, err := t.mounts[root].Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	most := min(t.limits.FileSize, t.left)
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > most {
		return nil, t.hard(&Error{Op: "scan", File: display(real), Err: fmt.Errorf(
			"%w: a file may have %d bytes and all of them %d", ErrLimit, t.limits.FileSize, t.limits.TotalSize)})
	}
	t.left -= int64(len(data))
	if t.check != nil {
		if err := t.check(real, data); err != nil {
			return nil, t.hard(err)
		}
	}
	return data, nil
}

// isDir and isFile answer for a virtual path, through links.
func (t *tree) isDir(p string) bool {
	_, info, err := t.resolve(p)
	return err == nil && info.IsDir()
}

func (t *tree) isFile(p string) bool {
	_, info, err := t.resolve(p)
	return err == nil && info.Mode().IsRegular()
}
