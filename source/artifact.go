package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"sort"
	"strings"

	"github.com/gitopskit/gitopskit/source/archive"
)

// Artifact is the content of a source at one revision. It is immutable and
// safe for concurrent use. It needs no closing.
type Artifact struct {
	revision Revision
	digest   string
	size     int64
	tree     *tree
	cache    archive.Cache
	metadata map[string]string
}

// Contents describes an Artifact to NewArtifact.
type Contents struct {
	// Revision names the state that the content was taken from. Required.
	Revision Revision
	// Entries are the files, links and folders; folders may be missing.
	// Every file needs an ID that is equal for equal bytes only.
	Entries []archive.Entry
	// Open opens a file. Required if there are files.
	Open archive.OpenFunc
	// Cache keeps compressed parts of the archive; may be nil.
	Cache archive.Cache
	// Metadata is what the source tells beside the content, such as the
	// annotations of an OCI manifest.
	Metadata map[string]string
}

// NewArtifact makes an Artifact. It is for those who write a Source of their
// own. It fails with ErrUnsafe if a name leads outside or is Git's own, and
// with ErrInvalid if a name is both a file and a folder, comes twice, or a
// file has no ID.
func NewArtifact(c Contents) (*Artifact, error) {
	if c.Revision == "" {
		return nil, &Error{Op: "artifact", Err: fmt.Errorf("%w: set Contents.Revision", ErrInvalid)}
	}
	t, err := newTree(c.Entries, c.Open)
	if err != nil {
		return nil, err
	}
	a := &Artifact{revision: c.Revision, tree: t, cache: c.Cache, metadata: maps.Clone(c.Metadata)}
	a.digest, a.size, err = contentDigest(t.entries)
	return a, err
}

// contentDigest hashes one record per entry: kind, quoted path, and ID or link
// target. It does not depend on how archives are compressed.
func contentDigest(entries []archive.Entry) (digest string, size int64, err error) {
	h := sha256.New()
	for _, e := range entries {
		kind, what := "f", e.ID
		switch {
		case e.Mode.IsDir():
			kind, what = "d", ""
		case e.Mode&fs.ModeSymlink != 0:
			kind, what = "l", e.Target
		case e.ID == "":
			return "", 0, &Error{Op: "artifact", Ref: e.Path, Err: fmt.Errorf("%w: a file needs an ID", ErrInvalid)}
		case e.Mode&0o111 != 0:
			kind = "x"
		}
		_, _ = fmt.Fprintf(h, "%s %q %q\n", kind, e.Path, what)
		size += e.Size
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), size, nil
}

// Revision returns the revision that was fetched.
func (a *Artifact) Revision() Revision { return a.revision }

// WithRevision returns the same content under another revision: the artifact
// of a commit that changed nothing that is selected.
func (a *Artifact) WithRevision(r Revision) *Artifact {
	b := *a
	b.revision = r
	return &b
}

// WithMetadata returns the same content with other metadata.
func (a *Artifact) WithMetadata(metadata map[string]string) *Artifact {
	b := *a
	b.metadata = maps.Clone(metadata)
	return &b
}

// ContentDigest identifies the content: "sha256:" and 64 hex digits over names,
// kinds, executable bits and content IDs. It costs nothing, is the same on
// every machine and with every Go release, and is the key for caches. Two
// kinds of source may give different digests to equal files. It is not the
// digest of the tar.gz; WriteArchive returns that.
func (a *Artifact) ContentDigest() string { return a.digest }

// Size is the length in bytes of all files together, uncompressed.
func (a *Artifact) Size() int64 { return a.size }

// Metadata returns what the source told beside the content. The map is a copy.
func (a *Artifact) Metadata() map[string]string {
	out := maps.Clone(a.metadata)
	if out == nil {
		out = map[string]string{}
	}
	return out
}

// Entries returns the files, folders and links, sorted by path. The slice is a
// copy.
func (a *Artifact) Entries() []archive.Entry {
	return append([]archive.Entry(nil), a.tree.entries...)
}

// FS returns the content as a file system. It reads from where the source
// keeps it, without a copy on disk. Symbolic links are followed inside the
// artifact; one that leads outside gives ErrUnsafe when it is used. It
// implements fs.ReadFileFS, fs.ReadDirFS, fs.StatFS and fs.ReadLinkFS.
func (a *Artifact) FS() fs.FS { return a.tree }

// WriteArchive writes the content as a reproducible tar.gz and returns the
// digest and size of its bytes.
func (a *Artifact) WriteArchive(ctx context.Context, w io.Writer) (archive.Info, error) {
	info, err := archive.Write(ctx, w, a.tree.entries, a.tree.open, archive.WriteOptions{Cache: a.cache})
	if err != nil {
		return archive.Info{}, &Error{Op: "archive", Ref: string(a.revision), Err: err}
	}
	return info, nil
}

// tree is the index over the entries that FS and archives are made from.
type tree struct {
	entries  []archive.Entry
	byPath   map[string]int
	children map[string][]int
	open     archive.OpenFunc
}

func newTree(entries []archive.Entry, open archive.OpenFunc) (*tree, error) {
	t := &tree{byPath: make(map[string]int, len(entries)), open: open}
	seen := make(map[string]archive.Entry, len(entries))
	for _, e := range entries {
		if err := addEntry(seen, e); err != nil {
			return nil, &Error{Op: "artifact", Ref: fmt.Sprintf("%q", e.Path), Err: err}
		}
	}
	for _, e := range seen {
		t.entries = append(t.entries, e)
	}
	sort.Slice(t.entries, func(i, j int) bool { return t.entries[i].Path < t.entries[j].Path })
	t.children = make(map[string][]int)
	for i, e := range t.entries {
		t.byPath[e.Path] = i
		dir := dirOf(e.Path)
		t.children[dir] = append(t.children[dir], i)
	}
	if open == nil && len(t.entries) > 0 {
		return nil, &Error{Op: "artifact", Err: fmt.Errorf("%w: set Contents.Open", ErrInvalid)}
	}
	return t, nil
}

// addEntry checks e and adds it and the folders above it.
func addEntry(seen map[string]archive.Entry, e archive.Entry) error {
	if err := archive.CheckPath(e.Path); err != nil {
		return err
	}
	for part := range strings.SplitSeq(e.Path, "/") {
		if archive.IsGitName(part) {
			return fmt.Errorf("%w: %q is a name that Git keeps for itself", ErrUnsafe, part)
		}
	}
	if old, ok := seen[e.Path]; ok {
		if old.Mode.IsDir() && e.Mode.IsDir() {
			return nil
		}
		return fmt.Errorf("%w: the name comes twice", ErrInvalid)
	}
	for dir := dirOf(e.Path); dir != "."; dir = dirOf(dir) {
		old, ok := seen[dir]
		if ok && !old.Mode.IsDir() {
			return fmt.Errorf("%w: %q is a file and a folder", ErrInvalid, dir)
		}
		if ok {
			break
		}
		seen[dir] = archive.Entry{Path: dir, Mode: fs.ModeDir | 0o755}
	}
	switch {
	case e.Mode.IsDir():
		e.Mode = fs.ModeDir | 0o755
	case e.Mode&fs.ModeSymlink != 0:
		e.Mode = fs.ModeSymlink | 0o777
	case !e.Mode.IsRegular():
		return fmt.Errorf("%w: an artifact holds no entry of type %s", ErrUnsafe, e.Mode.Type())
	case e.Size < 0:
		return fmt.Errorf("%w: negative size", ErrInvalid)
	}
	seen[e.Path] = e
	return nil
}

func dirOf(p string) string {
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		return p[:i]
	}
	return "."
}

func baseOf(p string) string { return p[strings.LastIndexByte(p, '/')+1:] }

// resolve follows the links in name and returns the entry's index, or -1 for
// the root.
func (t *tree) resolve(name string) (int, error) {
	if name == "." {
		return -1, nil
	}
	if i, ok := t.byPath[name]; ok && t.entries[i].Mode&fs.ModeSymlink == 0 {
		return i, nil
	}
	real, err := archive.ResolveLinks(name, t.link)
	if err != nil {
		return 0, err
	}
	if real == "." {
		return -1, nil
	}
	if i, ok := t.byPath[real]; ok {
		return i, nil
	}
	return 0, fs.ErrNotExist
}

func (t *tree) link(p string) (string, bool) {
	if i, ok := t.byPath[p]; ok && t.entries[i].Mode&fs.ModeSymlink != 0 {
		return t.entries[i].Target, true
	}
	return "", false
}

var errIsFolder = errors.New("is a folder")
