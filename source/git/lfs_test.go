package git_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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

	"github.com/google/go-cmp/cmp"

	"github.com/gitopskit/gitopskit/internal/gitserver"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/git"
)

// lfsServer speaks LFS's batch API as its specification says, beside Git on the
// same server; downloads come from where href says.
type lfsServer struct {
	mu      sync.Mutex
	objects map[string]string
	asked   []string // of the batch API, one entry a request
	sent    int
	href    func(r *http.Request, oid string) string
	header  map[string]string
	answer  http.HandlerFunc // instead of the batch API's
}

func newLFS() *lfsServer {
	return &lfsServer{objects: map[string]string{}, href: func(r *http.Request, oid string) string {
		scheme := "http"
		if r.TLS != nil {
			scheme = "https"
		}
		return scheme + "://" + r.Host + "/objects/" + oid
	}}
}

// add keeps content and returns the pointer to it.
func (l *lfsServer) add(content string) string {
	sum := sha256.Sum256([]byte(content))
	id := hex.EncodeToString(sum[:])
	l.mu.Lock()
	defer l.mu.Unlock()
	l.objects[id] = content
	return fmt.Sprintf("version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n", id, len(content))
}

// change puts other bytes under an id that is there.
func (l *lfsServer) change(pointer, content string) {
	_, id, _ := strings.Cut(pointer, "sha256:")
	l.mu.Lock()
	defer l.mu.Unlock()
	l.objects[id[:64]] = content
}

// sends makes downloads come from a URL.
func (l *lfsServer) sends(href func(r *http.Request, oid string) string, header map[string]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.href, l.header = href, header
}

// says makes the batch API answer otherwise; nil ends that.
func (l *lfsServer) says(answer http.HandlerFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answer = answer
}

func (l *lfsServer) counts() (asked []string, sent int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.asked...), l.sent
}

func (l *lfsServer) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		answer := l.answer
		l.mu.Unlock()
		switch {
		case strings.HasSuffix(r.URL.Path, "/objects/batch") && answer != nil:
			answer(w, r)
		case strings.HasSuffix(r.URL.Path, "/objects/batch"):
			l.batch(w, r)
		case r.URL.Path == "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case strings.HasPrefix(r.URL.Path, "/objects/"):
			l.download(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func (l *lfsServer) batch(w http.ResponseWriter, r *http.Request) {
	var ask struct {
		Operation string
		Transfers []string
		Objects   []struct {
			OID  string
			Size int64
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&ask); err != nil || ask.Operation != "download" ||
		r.Header.Get("Accept") != "application/vnd.git-lfs+json" || r.Header.Get("Content-Type") != "application/vnd.git-lfs+json" {
		http.Error(w, "bad", http.StatusUnprocessableEntity)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = append(l.asked, r.URL.Path)
	var out []map[string]any
	for _, o := range ask.Objects {
		if _, ok := l.objects[o.OID]; !ok {
			out = append(out, map[string]any{"oid": o.OID, "size": o.Size, "error": map[string]any{"code": 404, "message": "Object does not exist"}})
			continue
		}
		out = append(out, map[string]any{"oid": o.OID, "size": o.Size, "actions": map[string]any{
			"download": map[string]any{"href": l.href(r, o.OID), "header": l.header, "expires_in": 600},
		}})
	}
	w.Header().Set("Content-Type", "application/vnd.git-lfs+json")
	_ = json.NewEncoder(w).Encode(map[string]any{"transfer": "basic", "objects": out})
}

func (l *lfsServer) download(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	l.sent++
	content, ok := l.objects[strings.TrimPrefix(r.URL.Path, "/objects/")]
	l.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	_, _ = io.WriteString(w, content)
}

func TestLFS(t *testing.T) { eachTransport(t, testLFS) }

func testLFS(t *testing.T) {
	l := newLFS()
	guarded := gitserver.New(t, gitserver.Options{TLS: true, Wrap: func(next http.Handler) http.Handler {
		return basic("ann", "pw", l.wrap(next))
	}})
	repo := guarded.Repo("app")
	big := strings.Repeat("big\n", 100_000)
	almost := strings.Replace(l.add("x"), "size", "sise", 1)
	repo.Commit(map[string]string{"a": "1", "big.bin": l.add(big), "again.bin": l.add(big), "small.bin": l.add("small"), "almost": almost, "docs/x": l.add("left out")})
	opts := git.Options{
		URL: repo.URL(), Reference: onMain, Auth: git.Auth{Username: "ann", Password: "pw", CA: guarded.CA}, Mirrors: mirrors(t),
		Ignore: "docs/",
	}
	if got := files(t, take(t, open(t, opts))); !strings.HasPrefix(got["big.bin"], "version https://git-lfs") {
		t.Errorf("fetched without being asked to: %.50s", got["big.bin"])
	}
	opts.LFS = &git.LFS{}
	s := open(t, opts)
	first := take(t, s)
	want := map[string]string{"a": "1", "big.bin": big, "again.bin": big, "small.bin": "small", "almost": almost}
	if diff := cmp.Diff(want, files(t, first)); diff != "" {
		t.Error(diff)
	}
	repo.Commit(map[string]string{"small.bin": l.add("smaller")})
	second := take(t, s)
	want["small.bin"] = "smaller"
	if diff := cmp.Diff(want, files(t, second)); diff != "" {
		t.Error(diff)
	}
	asked, sent := l.counts()
	if diff := cmp.Diff([]string{"/app.git/info/lfs/objects/batch", "/app.git/info/lfs/objects/batch"}, asked); diff != "" || sent != 3 {
		t.Errorf("%d downloads for three objects: %s", sent, diff)
	}
	var one, two bytes.Buffer
	for _, b := range []*bytes.Buffer{&one, &two} {
		if _, err := take(t, open(t, opts)).WriteArchive(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(one.Bytes(), two.Bytes()) || first.ContentDigest() == second.ContentDigest() {
		t.Error("the archive or the digest does not follow the content")
	}
}

func basic(user, password string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, _ := r.BasicAuth(); u != user || p != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		r.Header.Del("Authorization")
		next.ServeHTTP(w, r)
	})
}

// fetchError resolves, fetches and returns the error of that.
func fetchError(t *testing.T, opts git.Options) error {
	t.Helper()
	s := open(t, opts)
	rev, err := s.Resolve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Fetch(t.Context(), rev)
	return err
}

func TestLFSThatIsDamagedOrRemovedOnTheDisk(t *testing.T) {
	l := newLFS()
	srv := gitserver.New(t, gitserver.Options{Wrap: l.wrap})
	repo := srv.Repo("app")
	repo.Commit(map[string]string{"x.bin": l.add("content")})
	dir := t.TempDir()
	a := take(t, open(t, git.Options{URL: repo.URL(), Reference: onMain, LFS: &git.LFS{}, Mirrors: mirrorsAt(t, dir)}))
	kept, err := filepath.Glob(dir + "/*/??/*")
	if err != nil || len(kept) != 1 {
		t.Fatalf("kept %v %v", kept, err)
	}
	if err := os.WriteFile(kept[0], []byte("CONTENT"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = fs.ReadFile(a.FS(), "x.bin")
	wantError(t, err, source.ErrCorrupt)
	if data, err := fs.ReadFile(a.FS(), "x.bin"); err != nil || string(data) != "content" {
		t.Errorf("was not fetched again: %q %v", data, err)
	}
	if _, sent := l.counts(); sent != 2 {
		t.Errorf("%d downloads", sent)
	}
}

func TestLFSKeepsNoMoreThanItMay(t *testing.T) {
	l := newLFS()
	srv := gitserver.New(t, gitserver.Options{Wrap: l.wrap})
	repo := srv.Repo("app")
	dir := t.TempDir()
	m, err := git.OpenMirrors(dir, git.MirrorOptions{MaxLFS: 2500})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s := open(t, git.Options{URL: repo.URL(), Reference: onMain, LFS: &git.LFS{}, Mirrors: m})
	for i := range 5 {
		content := strings.Repeat(fmt.Sprint(i), 1000)
		repo.Commit(map[string]string{"x.bin": l.add(content)})
		if got := files(t, take(t, s)); got["x.bin"] != content {
			t.Errorf("%d: %.20s", i, got["x.bin"])
		}
	}
	if kept, _ := filepath.Glob(dir + "/*/??/*"); len(kept) != 2 {
		t.Errorf("%d objects of 1000 bytes are kept in 2500", len(kept))
	}
}

func TestLFSOnAnotherHostDoesNotGetTheCredentials(t *testing.T) {
	l := newLFS()
	srv := gitserver.New(t, gitserver.Options{Wrap: func(next http.Handler) http.Handler { return basic("ann", "pw", l.wrap(next)) }})
	repo := srv.Repo("app")
	content := "content"
	repo.Commit(map[string]string{"x.bin": l.add(content)})
	var storage string
	var mu sync.Mutex
	seen := map[string]string{}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen[r.URL.Path] = r.Header.Get("Authorization") + r.Header.Get("X-Own") + r.Header.Get("Referer")
		if r.URL.Path == "/first" { // on to a third origin
			http.Redirect(w, r, storage+"/second", http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, content)
	}))
	defer other.Close()
	third := httptest.NewServer(other.Config.Handler)
	defer third.Close()
	storage = third.URL
	l.sends(func(*http.Request, string) string { return other.URL + "/first" }, map[string]string{"X-Own": "for the first only"})
	opts := git.Options{URL: repo.URL(), Reference: onMain, Auth: git.Auth{Username: "ann", Password: "pw"}, LFS: &git.LFS{}}
	if got := files(t, take(t, open(t, opts))); got["x.bin"] != content {
		t.Errorf("%v", got)
	}
	if diff := cmp.Diff(map[string]string{"/first": "for the first only", "/second": ""}, seen); diff != "" {
		t.Error(diff)
	}

	stranger := newLFS()
	stranger.add(content)
	var leaked string
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		leaked += r.Header.Get("Authorization")
		mu.Unlock()
		stranger.wrap(http.NotFoundHandler()).ServeHTTP(w, r)
	}))
	defer elsewhere.Close()
	opts.LFS = &git.LFS{URL: elsewhere.URL + "/lfs"}
	if got := files(t, take(t, open(t, opts))); got["x.bin"] != content || leaked != "" {
		t.Errorf("%v, leaked %q", got, leaked)
	}
	opts.LFS.Auth = git.Auth{BearerToken: "own"}
	take(t, open(t, opts))
	if leaked != "Bearer ownBearer own" {
		t.Errorf("got %q", leaked)
	}
}

func TestLFSOverSSH(t *testing.T) {
	l := newLFS()
	srv := gitserver.New(t, gitserver.Options{Wrap: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "RemoteAuth t1cket" {
				http.Error(w, "no", http.StatusForbidden)
				return
			}
			l.wrap(next).ServeHTTP(w, r)
		})
	}})
	repo := srv.Repo("app")
	repo.Commit(map[string]string{"x.bin": l.add("content")})
	server := srv.SSH()
	opts := git.Options{URL: server.URL(repo), Reference: onMain, LFS: &git.LFS{}, Auth: git.Auth{Identity: server.Identity, KnownHosts: server.KnownHosts}}
	wantError(t, fetchError(t, opts), source.ErrUnreachable, "git-lfs-authenticate", "LFS.URL")

	server.Program(t, "git-lfs-authenticate", fmt.Sprintf(`#!/bin/sh
test "$1 $2" = %q || exit 1
echo '{"href":"%s/app.git/info/lfs","header":{"Authorization":"RemoteAuth t1cket"},"expires_in":60}'
`, strings.TrimPrefix(repo.Dir, "/")+" download", srv.URL))
	if got := files(t, take(t, open(t, opts))); got["x.bin"] != "content" {
		t.Errorf("%v", got)
	}
}

func TestLFSOfASubmodule(t *testing.T) {
	l := newLFS()
	srv := gitserver.New(t, gitserver.Options{Wrap: l.wrap})
	lib, app := srv.Repo("lib"), srv.Repo("app")
	sha := lib.Commit(map[string]string{"l.bin": l.add("lib's")})
	app.Commit(map[string]string{"a.bin": l.add("app's")})
	addSubmodule(app, "lib", "third/lib", "../lib.git", sha)
	got := files(t, take(t, open(t, git.Options{URL: app.URL(), Reference: onMain, LFS: &git.LFS{}, Submodules: true})))
	if got["third/lib/l.bin"] != "lib's" || got["a.bin"] != "app's" {
		t.Errorf("%v", got)
	}
	asked, _ := l.counts()
	if !strings.Contains(fmt.Sprint(asked), "/lib.git/info/lfs") || !strings.Contains(fmt.Sprint(asked), "/app.git/info/lfs") {
		t.Errorf("asked %v", asked)
	}
}

func TestLFSRefuses(t *testing.T) {
	l := newLFS()
	srv := gitserver.New(t, gitserver.Options{Wrap: l.wrap})
	repo := srv.Repo("app")
	own := l.href
	says := func(h http.HandlerFunc) func(*git.LFS) { return func(*git.LFS) { l.says(h) } }
	sends := func(url string) func(*git.LFS) {
		return func(*git.LFS) { l.sends(func(*http.Request, string) string { return url }, nil) }
	}
	for name, c := range map[string]struct {
		pointer string
		prepare func(*git.LFS)
		is      error
		words   string
	}{
		"object is missing":   {strings.Replace(l.add("a"), "sha256:ca", "sha256:00", 1), nil, source.ErrNotFound, "Object does not exist"},
		"other bytes":         {l.add("right"), func(*git.LFS) { l.change(l.add("right"), "wrong") }, source.ErrCorrupt, "other bytes"},
		"too few bytes":       {l.add("whole"), func(*git.LFS) { l.change(l.add("whole"), "who") }, source.ErrCorrupt, "other bytes"},
		"endless bytes":       {l.add("short"), func(*git.LFS) { l.change(l.add("short"), strings.Repeat("short", 1<<20)) }, source.ErrCorrupt, "other bytes"},
		"size is wrong":       {strings.Replace(l.add("size"), "size 4", "size 5", 1), nil, source.ErrCorrupt, "other bytes"},
		"more than allowed":   {l.add("allowed"), func(o *git.LFS) { o.MaxBytes = 6 }, source.ErrTooLarge, "LFS.MaxBytes"},
		"size near the end":   {strings.Replace(l.add("e"), "size 1", "size 9223372036854775807", 1), nil, source.ErrTooLarge, "LFS.MaxBytes"},
		"an extension":        {strings.Replace(l.add("ext"), "oid", "ext-0-foo sha256:"+strings.Repeat("0", 64)+"\noid", 1), nil, source.ErrInvalid, "extension"},
		"file on this disk":   {l.add("f"), sends("file:///etc/passwd"), source.ErrUnsafe, "not https"},
		"link to nowhere":     {l.add("n"), sends("http://127.0.0.1:1/?sig=s3cret"), source.ErrUnreachable, "127.0.0.1:1"},
		"redirects endlessly": {l.add("r"), sends(srv.URL + "/loop"), source.ErrUnreachable, "302"},
		"no LFS there":        {l.add("1"), says(http.NotFound), source.ErrNotFound, "LFS.URL"},
		"no access":           {l.add("2"), says(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }), source.ErrAuth, "403"},
		"server is broken":    {l.add("3"), says(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }), source.ErrUnreachable, "500"},
		"no JSON":             {l.add("4"), says(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }), source.ErrUnreachable, "LFS server"},
		"says nothing of it":  {l.add("5"), says(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"objects":[]}`)) }), source.ErrNotFound, "nothing"},
		"other transfer":      {l.add("6"), says(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"transfer":"tus"}`)) }), source.ErrUnreachable, "tus"},
		"batch is redirected": {l.add("7"), says(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusTemporaryRedirect) }), source.ErrUnreachable, "307"},
		"endless answer": {l.add("8"), says(func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = w.Write(bytes.Repeat([]byte(" "), 1<<16))
			}
		}), source.ErrTooLarge, ""},
	} {
		t.Run(name, func(t *testing.T) {
			l.sends(own, nil)
			l.says(nil)
			options := &git.LFS{}
			if c.prepare != nil {
				c.prepare(options)
			}
			repo.Commit(map[string]string{"x.bin": c.pointer})
			dir := t.TempDir()
			err := fetchError(t, git.Options{URL: repo.URL(), Reference: onMain, LFS: options, Mirrors: mirrorsAt(t, dir)})
			wantError(t, err, c.is, c.words)
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("a signed URL is in the error: %v", err)
			}
			if left, _ := filepath.Glob(dir + "/*/incoming-*"); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
	for name, l := range map[string]git.LFS{"password": {URL: "https://a:b@x/y"}, "file": {URL: "file:///x"}, "auth": {URL: "https://x/y", Auth: git.Auth{CA: []byte("x")}}} {
		_, err := git.New(git.Options{URL: repo.URL(), Mirrors: mirrors(t), LFS: &l})
		if err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
