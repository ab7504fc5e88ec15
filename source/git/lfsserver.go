package git

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gitopskit/gitopskit/source"
)

// lfsServer fetches files from one LFS server with one credential, and keeps
// them in a folder by their SHA-256.
type lfsServer struct {
	dir    string
	max    int64
	client *http.Client
	access func(context.Context) (lfsAccess, error)
	auth   Auth // for errors only
}

const (
	// lfsBatch is how many objects one request asks for, as git-lfs does.
	lfsBatch = 100
	// lfsParallel is how many are downloaded at once.
	lfsParallel = 4
	// lfsLeftover is the age from which a download is one that was killed.
	lfsLeftover = 24 * time.Hour
)

// lfsServer returns the server of a repository, or that at the URL.
func (m *Mirrors) lfsServer(e endpoint, at string, auth Auth, p Proxy) (*lfsServer, error) {
	id := m.name(e, auth, p, "lfs")
	m.mu.Lock()
	defer m.mu.Unlock()
	if l, ok := m.lfs[id]; ok {
		return l, nil
	}
	access, err := m.lfsAccess(e, at, auth, p)
	if err != nil {
		return nil, err
	}
	base, err := auth.transport(p)
	if err != nil {
		return nil, err
	}
	l := &lfsServer{
		dir: filepath.Join(m.dir, id), max: m.opts.MaxLFS, access: access, auth: auth,
		client: &http.Client{Transport: base, CheckRedirect: lfsRedirect},
	}
	m.lfs[id] = l
	return l, nil
}

func (l *lfsServer) name(id string) string { return filepath.Join(l.dir, id[:2], id) }

func (l *lfsServer) has(p pointer) bool {
	info, err := os.Stat(l.name(p.oid))
	if err != nil || info.Size() != p.size {
		return false
	}
	if now := time.Now(); now.Sub(info.ModTime()) > time.Hour {
		_ = os.Chtimes(l.name(p.oid), now, now) // used lately: not to be removed
	}
	return true
}

// bring makes sure that objects are there.
func (l *lfsServer) bring(ctx context.Context, pointers []pointer) error {
	var missing []pointer
	for _, p := range pointers {
		if !l.has(p) {
			missing = append(missing, p)
		}
	}
	for batch := range slices.Chunk(missing, lfsBatch) {
		access, err := l.access(ctx)
		if err != nil {
			return err
		}
		found, err := l.batch(ctx, access, batch)
		if err != nil {
			return err
		}
		if err := l.downloads(ctx, access, batch, found); err != nil {
			return err
		}
	}
	if len(missing) > 0 {
		l.trim(pointers)
	}
	return nil
}

// downloads fetches some objects at a time; the first error ends all.
func (l *lfsServer) downloads(ctx context.Context, access lfsAccess, batch []pointer, found map[string]lfsObject) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan pointer)
	var wg sync.WaitGroup
	for range min(lfsParallel, len(batch)) {
		wg.Go(func() {
			for p := range work {
				if err := l.download(ctx, access, p, found[p.oid]); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, p := range batch {
		if ctx.Err() != nil {
			break
		}
		work <- p
	}
	close(work)
	wg.Wait()
	return context.Cause(ctx)
}

// keep checks what is read and gives it its name if it is what was asked for.
func (l *lfsServer) keep(p pointer, body io.Reader) error {
	name := l.name(p.oid)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(l.dir, incoming)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, h), io.LimitReader(body, p.size+1))
	if err == nil && (n != p.size || hex.EncodeToString(h.Sum(nil)) != p.oid) {
		err = fmt.Errorf("%w: the LFS server sent other bytes for %s than the pointer wants", source.ErrCorrupt, p.oid)
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// open reads an object, which is fetched again if it was removed meanwhile.
// Reading it to the end checks it.
func (l *lfsServer) open(ctx context.Context, p pointer) (io.ReadCloser, error) {
	f, err := os.Open(l.name(p.oid))
	if errors.Is(err, fs.ErrNotExist) {
		if err := l.bring(ctx, []pointer{p}); err != nil {
			return nil, fmt.Errorf("file in LFS: %w", err)
		}
		f, err = os.Open(l.name(p.oid))
	}
	if err != nil {
		return nil, err
	}
	return &lfsReader{File: f, hash: sha256.New(), want: p}, nil
}

type lfsReader struct {
	*os.File
	hash hash.Hash
	read int64
	want pointer
}

// Read implements io.Reader.
func (r *lfsReader) Read(b []byte) (int, error) {
	n, err := r.File.Read(b)
	_, _ = r.hash.Write(b[:n])
	r.read += int64(n)
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	if r.read != r.want.size || hex.EncodeToString(r.hash.Sum(nil)) != r.want.oid {
		_ = os.Remove(r.Name()) // the next who opens it gets it anew
		return n, corruptf("file %s from LFS was damaged on the disk", r.want.oid)
	}
	return n, err
}

// WriteTo hides that of os.File, which would pass by the check.
func (r *lfsReader) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{r})
}

// trim removes the objects that were not used for longest until the rest fits,
// and downloads that were killed; never those that are kept.
func (l *lfsServer) trim(keep []pointer) {
	kept := map[string]bool{}
	for _, p := range keep {
		kept[p.oid] = true
	}
	type object struct {
		path string
		info fs.FileInfo
	}
	var all []object
	_ = filepath.WalkDir(l.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || kept[d.Name()] {
			return nil //nolint:nilerr // what cannot be read is not removed
		}
		if info, err := d.Info(); err == nil {
			all = append(all, object{path, info})
		}
		return nil
	})
	total := int64(0)
	for _, p := range keep {
		total += p.size
	}
	all = slices.DeleteFunc(all, func(o object) bool {
		if !strings.HasPrefix(o.info.Name(), incoming) {
			total += o.info.Size()
			return false
		}
		if time.Since(o.info.ModTime()) > lfsLeftover {
			_ = os.Remove(o.path)
		}
		return true
	})
	slices.SortFunc(all, func(a, b object) int { return a.info.ModTime().Compare(b.info.ModTime()) })
	for _, o := range all {
		if total <= l.max {
			return
		}
		if os.Remove(o.path) == nil {
			total -= o.info.Size()
		}
	}
}
