package store

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/gitopskit/gitopskit/source"
)

// Put stores an artifact and makes it the key's newest. Content that is stored
// already and whole is not written again. If Put fails, what was stored before
// is as it was.
func (s *Store) Put(ctx context.Context, k Key, a *source.Artifact) (Record, error) {
	if err := k.check(); err != nil {
		return Record{}, fail("put", k.String(), err)
	}
	if a == nil {
		return Record{}, fail("put", k.String(), fmt.Errorf("%w: no artifact", source.ErrInvalid))
	}
	defer s.lock(k)()
	r, err := s.put(ctx, k, a)
	if err != nil {
		return Record{}, fail("put", k.String(), err)
	}
	return r, nil
}

func (s *Store) put(ctx context.Context, k Key, a *source.Artifact) (Record, error) {
	records, err := s.list(k)
	if err != nil {
		return Record{}, err
	}
	now := s.opts.Now().UTC()
	if len(records) > 0 && !now.After(records[0].Used) {
		now = records[0].Used.Add(time.Nanosecond) // the order must not hang on the clock
	}
	var r Record
	found := false
	for _, old := range records {
		if old.ContentDigest != a.ContentDigest() {
			continue
		}
		err := s.verify(ctx, old)
		if err == nil {
			r, found = old, true
			break
		}
		if ctx.Err() != nil {
			return Record{}, err
		}
		if err := s.remove(old); err != nil { // damaged
			return Record{}, err
		}
	}
	if !found {
		if r, err = s.write(ctx, k, a); err != nil {
			return Record{}, err
		}
		r.Created = now.Truncate(time.Second)
	}
	r.Revision, r.Metadata, r.Used = a.Revision(), a.Metadata(), now
	if err := s.writeRecord(r); err != nil {
		return Record{}, err
	}
	return r, s.link(k, r)
}

// write writes the file under its digest. Without a record it does not count.
func (s *Store) write(ctx context.Context, k Key, a *source.Artifact) (r Record, err error) {
	folder := s.folder(k)
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return Record{}, err
	}
	f, err := os.CreateTemp(folder, tempPrefix)
	if err != nil {
		return Record{}, err
	}
	defer func() {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}()
	buf := bufio.NewWriterSize(&quotaWriter{s: s, w: f}, 256<<10)
	info, err := a.WriteArchive(ctx, buf)
	if err == nil {
		err = buf.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err != nil {
		return Record{}, err
	}
	if err := s.reserve(info.Size); err != nil {
		return Record{}, err
	}
	_, hexDigest, _ := strings.Cut(info.Digest, ":")
	r = Record{
		Path:   path.Join(k.String(), hexDigest+archiveExt),
		Digest: info.Digest, ContentDigest: a.ContentDigest(), Size: info.Size,
	}
	if old, err := os.Lstat(s.file(r)); err == nil {
		_ = s.reserve(-old.Size()) // the same bytes take its place
	}
	if err := os.Rename(f.Name(), s.file(r)); err != nil {
		_ = s.reserve(-info.Size)
		return Record{}, err
	}
	return r, syncFolder(folder)
}

// quotaWriter fails before a file exceeds the store's quota.
type quotaWriter struct {
	s *Store
	w io.Writer
	n int64
}

func (q *quotaWriter) Write(p []byte) (int, error) {
	q.n += int64(len(p))
	if err := q.s.reserve(q.n); err != nil {
		return 0, err
	}
	_ = q.s.reserve(-q.n)
	return q.w.Write(p)
}

func (s *Store) writeRecord(r Record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	name := s.recordFile(r)
	f, err := os.CreateTemp(filepath.Dir(name), tempPrefix)
	if err != nil {
		return err
	}
	defer func() {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(name))
}

// link points latest.tar.gz to the record's file.
func (s *Store) link(k Key, r Record) error {
	temp := filepath.Join(s.folder(k), tempPrefix+latestName)
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(path.Base(r.Path), temp); err != nil {
		return err
	}
	return os.Rename(temp, filepath.Join(s.folder(k), latestName))
}

func syncFolder(name string) error {
	d, err := os.Open(name) //nolint:gosec // below the store's folder
	if err != nil {
		return err
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	return err
}

// Verify reads a stored file and compares its digest. A file that is damaged
// is removed, so that the next Put writes it again; the error then wraps
// source.ErrCorrupt. A file that is gone gives ErrNotStored.
func (s *Store) Verify(ctx context.Context, r Record) error {
	k, err := keyOf(r)
	if err != nil {
		return fail("verify", r.Path, err)
	}
	defer s.lock(k)()
	err = s.verify(ctx, r)
	if errors.Is(err, source.ErrCorrupt) {
		err = errors.Join(err, s.remove(r))
	}
	if err != nil {
		return fail("verify", r.Path, err)
	}
	return nil
}

func keyOf(r Record) (Key, error) {
	parts := strings.Split(r.Path, "/")
	if len(parts) != 4 || !strings.HasSuffix(parts[3], archiveExt) || strings.HasPrefix(parts[3], ".") {
		return Key{}, fmt.Errorf("%w: %q is no path of a stored artifact", source.ErrInvalid, r.Path)
	}
	k := Key{parts[0], parts[1], parts[2]}
	return k, k.check()
}

func (s *Store) verify(ctx context.Context, r Record) error {
	f, err := os.Open(s.file(r))
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNotStored
	}
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	buf := make([]byte, 256<<10)
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := f.Read(buf)
		h.Write(buf[:n])
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if got := "sha256:" + hex.EncodeToString(h.Sum(nil)); got != r.Digest {
		return fmt.Errorf("%w: the file has the digest %s, not %s", source.ErrCorrupt, got, r.Digest)
	}
	return nil
}
