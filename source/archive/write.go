package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"runtime"
)

// Info describes a written archive.
type Info struct {
	// Digest is "sha256:" and 64 hex digits, over the compressed bytes.
	Digest string
	// Size is the number of compressed bytes.
	Size int64
}

// WriteOptions configures Write. The zero value works.
type WriteOptions struct {
	// Cache keeps compressed segments between calls; nil keeps none.
	Cache Cache
	// Concurrency is how many segments are compressed at once; zero means
	// GOMAXPROCS.
	Concurrency int
}

// Cache keeps compressed segments by key. It must be safe for concurrent use.
// Losing or refusing a segment is allowed; returning bytes that were not
// stored under the key is not.
type Cache interface {
	// Load returns the segment stored under key, and false if there is none.
	Load(key string) (segment []byte, ok bool)
	// Store keeps a segment. The bytes must not be changed afterwards.
	Store(key string, segment []byte)
}

// Write writes the entries, which must be sorted by path, as a reproducible
// tar.gz. Files are opened by open, one call per file that is not kept
// compressed in the cache. Symbolic links that lead outside are left out, as
// nothing may extract them.
//
// Memory is bounded by Concurrency times a few segments of some 2 MiB; larger
// files are streamed.
func Write(ctx context.Context, w io.Writer, entries []Entry, open OpenFunc, opts WriteOptions) (Info, error) {
	kept, err := archivable(entries)
	if err != nil {
		return Info{}, err
	}
	out := &digestWriter{w: w, hash: sha256.New()}
	workers := opts.Concurrency
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	p := packer{open: open, cache: opts.Cache, workers: workers}
	if err := p.run(ctx, out, segments(kept)); err != nil {
		return Info{}, err
	}
	return Info{Digest: "sha256:" + hex.EncodeToString(out.hash.Sum(nil)), Size: out.n}, nil
}

// archivable checks the entries and drops links that lead outside.
func archivable(entries []Entry) ([]Entry, error) {
	links := map[string]string{}
	for i, e := range entries {
		if err := CheckPath(e.Path); err != nil {
			return nil, fail("write", e.Path, err)
		}
		if i > 0 && entries[i-1].Path >= e.Path {
			return nil, fail("write", e.Path, fmt.Errorf("entries are not sorted, or one comes twice"))
		}
		if e.Mode&fs.ModeSymlink != 0 {
			links[e.Path] = e.Target
		}
	}
	if len(links) == 0 {
		return entries, nil
	}
	kept := make([]Entry, 0, len(entries))
	lookup := func(p string) (string, bool) { t, ok := links[p]; return t, ok }
	for _, e := range entries {
		if e.Mode&fs.ModeSymlink != 0 {
			if _, err := ResolveLinks(e.Path, lookup); err != nil {
				continue
			}
		}
		kept = append(kept, e)
	}
	return kept, nil
}

type digestWriter struct {
	w    io.Writer
	hash hash.Hash
	n    int64
}

func (d *digestWriter) Write(p []byte) (int, error) {
	n, err := d.w.Write(p)
	d.hash.Write(p[:n])
	d.n += int64(n)
	return n, err
}
