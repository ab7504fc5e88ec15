package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/archive"
	"github.com/gitopskit/gitopskit/source/store"
)

var key = store.Key{Kind: "gitrepository", Namespace: "flux-system", Name: "app"}

// artifact makes one of files whose content is their ID.
func artifact(t testing.TB, revision string, files map[string]string) *source.Artifact {
	t.Helper()
	var entries []archive.Entry
	for name, content := range files {
		entries = append(entries, archive.Entry{Path: name, Mode: 0o644, Size: int64(len(content)), ID: content})
	}
	a, err := source.NewArtifact(source.Contents{
		Revision: source.Revision(revision), Entries: entries,
		Open: func(_ context.Context, e archive.Entry) (io.ReadCloser, error) {
			if e.ID == "unreadable" {
				return nil, errors.New("cannot be read")
			}
			return io.NopCloser(strings.NewReader(e.ID)), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }
func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func open(t testing.TB, dir string, opts store.Options) *store.Store {
	t.Helper()
	s, err := store.Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t testing.TB, s *store.Store, revision string, files map[string]string) store.Record {
	t.Helper()
	r, err := s.Put(t.Context(), key, artifact(t, revision, files))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPutAndServe(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, store.Options{})
	r := put(t, s, "main@sha1:1", map[string]string{"a/b.yaml": "hello"})
	srv := httptest.NewServer(s.Handler())
	defer srv.Close()
	defer srv.Client().CloseIdleConnections()
	for _, path := range []string{r.Path, "gitrepository/flux-system/app/latest.tar.gz"} {
		res, body := get(t, srv, path, nil)
		if res.StatusCode != http.StatusOK || int64(len(body)) != r.Size {
			t.Fatalf("%s: %s, %d bytes", path, res.Status, len(body))
		}
		out := filepath.Join(t.TempDir(), "out")
		if _, err := archive.Extract(t.Context(), bytes.NewReader(body), out, archive.ExtractOptions{}); err != nil {
			t.Fatal(err)
		}
		if data, err := os.ReadFile(out + "/a/b.yaml"); string(data) != "hello" {
			t.Errorf("%q, %v", data, err)
		}
		res, _ = get(t, srv, path, http.Header{"If-None-Match": {res.Header.Get("ETag")}})
		if res.StatusCode != http.StatusNotModified {
			t.Errorf("conditional request: %s", res.Status)
		}
		res, part := get(t, srv, path, http.Header{"Range": {"bytes=1-2"}})
		if res.StatusCode != http.StatusPartialContent || !bytes.Equal(part, body[1:3]) {
			t.Errorf("range: %s %v", res.Status, part)
		}
	}
}

func get(t *testing.T, srv *httptest.Server, path string, header http.Header) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	res, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, body
}

func TestHandlerShowsNothingElse(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, store.Options{})
	r := put(t, s, "main@sha1:1", map[string]string{"a": "1"})
	folder := filepath.Join(dir, "gitrepository/flux-system/app")
	if err := os.WriteFile(filepath.Join(dir, "secret.tar.gz"), []byte("s"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, "secret.tar.gz"), filepath.Join(folder, "evil.tar.gz")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"", "/", "gitrepository", "gitrepository/", "gitrepository/flux-system/app", "gitrepository/flux-system/app/",
		strings.TrimSuffix(r.Path, ".tar.gz") + ".json", "gitrepository/flux-system/app/evil.tar.gz",
		"gitrepository/flux-system/app/../../../secret.tar.gz", "secret.tar.gz", "gitrepository/flux-system/..%2f/app.tar.gz",
		"gitrepository/flux-system/app/.tmp-x.tar.gz", "a/b/c/%00.tar.gz",
	} {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/"+path, nil))
		if w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodDelete, "/"+r.Path, nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("DELETE: %d", w.Code)
	}
}

func TestSameContentIsNotWrittenAgain(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, store.Options{})
	first := put(t, s, "main@sha1:1", map[string]string{"a": "1"})
	before, err := os.Stat(filepath.Join(dir, first.Path))
	if err != nil {
		t.Fatal(err)
	}
	second := put(t, s, "main@sha1:2", map[string]string{"a": "1"})
	after, err := os.Stat(filepath.Join(dir, second.Path))
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, after) {
		t.Error("it was written again")
	}
	if second.Revision != "main@sha1:2" || second.Digest != first.Digest {
		t.Errorf("%+v", second)
	}
}

func TestCollect(t *testing.T) {
	c := &clock{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	s := open(t, t.TempDir(), store.Options{Now: c.Now})
	var revisions []string
	collect := func() {
		t.Helper()
		if _, err := s.Collect(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		records, err := s.List(key)
		if err != nil {
			t.Fatal(err)
		}
		revisions = nil
		for _, r := range records {
			revisions = append(revisions, string(r.Revision))
		}
	}
	for i := range 4 {
		put(t, s, fmt.Sprint(i), map[string]string{"a": fmt.Sprint(i)})
	}
	collect()
	if diff := cmp.Diff([]string{"3", "2", "1", "0"}, revisions); diff != "" {
		t.Errorf("the young were removed: %s", diff)
	}
	c.pass(2 * time.Minute)
	put(t, s, "0 again", map[string]string{"a": "0"})
	collect()
	if diff := cmp.Diff([]string{"0 again", "3"}, revisions); diff != "" {
		t.Error(diff)
	}
	c.pass(time.Hour)
	collect()
	if diff := cmp.Diff([]string{"0 again", "3"}, revisions); diff != "" {
		t.Errorf("the last two go too: %s", diff)
	}
}

func TestDamagedFileIsFoundAndReplaced(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, store.Options{})
	r := put(t, s, "1", map[string]string{"a": "1"})
	file := filepath.Join(dir, r.Path)
	if err := os.WriteFile(file, bytes.Repeat([]byte("x"), int(r.Size)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context(), r); !errors.Is(err, source.ErrCorrupt) {
		t.Errorf("%v", err)
	}
	if _, err := s.Latest(key); !errors.Is(err, store.ErrNotStored) {
		t.Errorf("a damaged file is still offered: %v", err)
	}
	r = put(t, s, "1", map[string]string{"a": "1"})
	if err := os.WriteFile(file, bytes.Repeat([]byte("y"), int(r.Size)), 0o600); err != nil {
		t.Fatal(err)
	}
	r = put(t, s, "1", map[string]string{"a": "1"})
	if err := s.Verify(t.Context(), r); err != nil {
		t.Error(err)
	}
}

func TestFailedPutLeavesTheOldServed(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, store.Options{})
	old := put(t, s, "1", map[string]string{"a": "1"})
	if _, err := s.Put(t.Context(), key, artifact(t, "2", map[string]string{"a": "unreadable"})); err == nil {
		t.Fatal("no error")
	}
	if got, err := s.Latest(key); err != nil || got.Path != old.Path {
		t.Errorf("%+v, %v", got, err)
	}
	leftovers(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Put(ctx, key, artifact(t, "3", map[string]string{"a": "3"})); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func leftovers(t *testing.T, dir string) {
	t.Helper()
	_ = filepath.WalkDir(dir, func(p string, _ fs.DirEntry, _ error) error {
		if strings.HasPrefix(filepath.Base(p), ".tmp-") {
			t.Errorf("left behind: %s", p)
		}
		return nil
	})
}

func TestQuota(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, store.Options{MaxBytes: 600})
	old := put(t, s, "1", map[string]string{"a": "1"})
	big := map[string]string{}
	for i := range 100 {
		big[fmt.Sprint("file", i*i*7919)] = fmt.Sprint(i * i * 104729)
	}
	_, err := s.Put(t.Context(), key, artifact(t, "2", big))
	if !errors.Is(err, store.ErrFull) {
		t.Errorf("%v", err)
	}
	if err := s.Verify(t.Context(), old); err != nil {
		t.Error(err)
	}
	leftovers(t, dir)
	again := open(t, dir, store.Options{MaxBytes: old.Size})
	if _, err := again.Put(t.Context(), key, artifact(t, "3", map[string]string{"b": "2"})); !errors.Is(err, store.ErrFull) {
		t.Errorf("the quota was forgotten: %v", err)
	}
}

func TestOpenSweepsWhatWasLeftHalfWritten(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, store.Options{})
	r := put(t, s, "1", map[string]string{"a": "1"})
	folder := filepath.Join(dir, "gitrepository/flux-system/app")
	for _, name := range []string{".tmp-123", strings.Repeat("ab", 32) + ".tar.gz"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s = open(t, dir, store.Options{})
	leftovers(t, dir)
	if _, err := os.Stat(filepath.Join(folder, strings.Repeat("ab", 32)+".tar.gz")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("an archive without a record is still there")
	}
	if err := s.Verify(t.Context(), r); err != nil {
		t.Error(err)
	}
}

func TestKeysThatLeadOutside(t *testing.T) {
	s := open(t, t.TempDir(), store.Options{})
	a := artifact(t, "1", map[string]string{"a": "1"})
	for _, k := range []store.Key{{}, {"..", "a", "b"}, {"a", "b", "../../c"}, {"a", "b/c", "d"}, {"a", "b", ".tmp-x"}, {"A", "b", "c"}} {
		if _, err := s.Put(t.Context(), k, a); !errors.Is(err, source.ErrInvalid) {
			t.Errorf("%+v: %v", k, err)
		}
		if err := s.Delete(k); !errors.Is(err, source.ErrInvalid) {
			t.Errorf("%+v: %v", k, err)
		}
	}
}

func TestReadersWhileOthersWriteAndCollect(t *testing.T) {
	s := open(t, t.TempDir(), store.Options{KeepCount: 1, KeepAge: time.Nanosecond})
	put(t, s, "first", map[string]string{"a": "first"})
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				w := httptest.NewRecorder()
				s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/"+key.String()+"/latest.tar.gz", nil))
				if w.Code == http.StatusNotFound {
					continue // collected between reading the link and opening it
				}
				err := archiveIsWhole(w.Body.Bytes())
				if err != nil {
					t.Errorf("status %d: %v", w.Code, err)
					return
				}
			}
		})
	}
	for i := range 50 {
		put(t, s, fmt.Sprint(i), map[string]string{"a": strings.Repeat(fmt.Sprint(i), 1000)})
		if _, err := s.Collect(t.Context(), key); err != nil {
			t.Error(err)
		}
	}
	close(done)
	wg.Wait()
}

func archiveIsWhole(data []byte) error {
	dir, err := os.MkdirTemp("", "whole-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	_, err = archive.Extract(context.Background(), bytes.NewReader(data), filepath.Join(dir, "x"), archive.ExtractOptions{})
	return err
}

func TestDelete(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, store.Options{})
	put(t, s, "1", map[string]string{"a": "1"})
	if err := s.Delete(key); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "gitrepository/flux-system/app")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the folder is still there")
	}
	if _, err := s.Latest(key); !errors.Is(err, store.ErrNotStored) || !errors.Is(err, source.ErrNotFound) {
		t.Errorf("%v", err)
	}
}
