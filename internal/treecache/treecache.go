// Package treecache keeps folders of files on disk by key: written whole or not
// at all, listed with a digest per file that is checked when the file is read.
package treecache

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// File is a file, folder or link of a kept tree.
type File struct {
	Path   string      `json:"path"`
	Mode   fs.FileMode `json:"mode"`
	Size   int64       `json:"size,omitempty"`
	Digest string      `json:"digest,omitempty"` // "sha256:…" of a file
	Target string      `json:"target,omitempty"`
}

// Tree is a kept folder.
type Tree struct {
	// Files are sorted by path.
	Files []File
	// Note is what Put was given to keep beside the files.
	Note json.RawMessage
	dir  string
}

// Cache is a folder of trees. Many processes may use it.
type Cache struct{ dir string }

// ErrDamaged is a file whose content is not what was put.
var ErrDamaged = errors.New("kept file is damaged")

const (
	incoming = ".incoming-"
	listing  = "files.json"
	content  = "content"
)

// staleAfter is how old something half-written must be to be swept: nobody
// works on it any more.
const staleAfter = 24 * time.Hour

// Open makes the folder if need be and sweeps what was left half-written long
// ago.
func Open(dir string) (*Cache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	left, _ := filepath.Glob(filepath.Join(dir, incoming+"*"))
	for _, name := range left {
		if info, err := os.Stat(name); err == nil && time.Since(info.ModTime()) > staleAfter {
			_ = os.RemoveAll(name)
		}
	}
	return &Cache{dir: dir}, nil
}

func (c *Cache) path(key string) string {
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(c.dir, hex.EncodeToString(sum[:]))
}

type manifest struct {
	Key   string          `json:"key"`
	Files []File          `json:"files"`
	Note  json.RawMessage `json:"note,omitempty"`
}

// Get returns the tree kept under key, and false if there is none that is
// whole.
func (c *Cache) Get(key string) (*Tree, bool) {
	dir := c.path(key)
	data, err := os.ReadFile(filepath.Join(dir, listing)) //nolint:gosec // below the cache's folder
	if err != nil {
		return nil, false
	}
	var m manifest
	if json.Unmarshal(data, &m) != nil || m.Key != key {
		return nil, false
	}
	now := time.Now()
	_ = os.Chtimes(dir, now, now)
	return &Tree{Files: m.Files, Note: m.Note, dir: filepath.Join(dir, content)}, true
}

// Put keeps what fill writes into the folder it is given, which does not exist
// yet. The digests of files that fill returns are taken for true; others are
// computed.
func (c *Cache) Put(key string, note any, fill func(dir string) (digests map[string]string, err error)) (*Tree, error) {
	temp, err := os.MkdirTemp(c.dir, incoming)
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(temp) }()
	inside := filepath.Join(temp, content)
	digests, err := fill(inside)
	if err != nil {
		return nil, err
	}
	m := manifest{Key: key}
	if m.Files, err = scan(inside, digests); err != nil {
		return nil, err
	}
	if m.Note, err = json.Marshal(note); err != nil {
		return nil, err
	}
	data, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(temp, listing), data, 0o600); err != nil {
		return nil, err
	}
	if err := os.Rename(temp, c.path(key)); err != nil {
		if kept, ok := c.Get(key); ok {
			return kept, nil // another was faster
		}
		if err := os.RemoveAll(c.path(key)); err != nil {
			return nil, err
		}
		if err := os.Rename(temp, c.path(key)); err != nil {
			return nil, err
		}
	}
	return &Tree{Files: m.Files, Note: m.Note, dir: filepath.Join(c.path(key), content)}, nil
}

// Remove forgets a tree.
func (c *Cache) Remove(key string) error { return os.RemoveAll(c.path(key)) }

// Sweep removes trees that were not used for the given time.
func (c *Cache) Sweep(unused time.Duration) error {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || strings.HasPrefix(e.Name(), incoming) || time.Since(info.ModTime()) < unused {
			continue
		}
		if err := os.RemoveAll(filepath.Join(c.dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func scan(dir string, digests map[string]string) ([]File, error) {
	var out []File
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		f := File{Path: filepath.ToSlash(rel), Mode: info.Mode()}
		switch {
		case info.Mode().IsRegular():
			f.Size = info.Size()
			if f.Digest = digests[f.Path]; f.Digest == "" {
				f.Digest, err = digestOf(name)
			}
		case info.Mode()&fs.ModeSymlink != 0:
			f.Target, err = os.Readlink(name)
		}
		out = append(out, f)
		return err
	})
	return out, err
}

func digestOf(name string) (string, error) {
	f, err := os.Open(name) //nolint:gosec // below the cache's folder
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}

// Open opens a file of the tree. Reading to the end checks its digest.
func (t *Tree) Open(path, digest string) (io.ReadCloser, error) {
	f, err := os.Open(filepath.Join(t.dir, filepath.FromSlash(path)))
	if err != nil {
		return nil, err
	}
	return &checked{f: f, hash: sha256.New(), want: digest, path: path}, nil
}

type checked struct {
	f          *os.File
	hash       hash.Hash
	want, path string
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.f.Read(p)
	c.hash.Write(p[:n])
	if errors.Is(err, io.EOF) && "sha256:"+hex.EncodeToString(c.hash.Sum(nil)) != c.want {
		return n, fmt.Errorf("%w: %s", ErrDamaged, c.path)
	}
	return n, err
}

func (c *checked) Close() error { return c.f.Close() }
