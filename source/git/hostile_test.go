package git_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gitopskit/gitopskit/internal/gitserver"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/git"
)

// object writes an object that git itself would refuse to make.
func object(t *testing.T, repo *gitserver.Repo, kind string, raw []byte) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", "--git-dir="+repo.Dir, "hash-object", "-t", kind, "-w", "--literally", "--stdin")
	cmd.Stdin = strings.NewReader(string(raw))
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func rawTree(t *testing.T, repo *gitserver.Repo, entries ...[3]string) string {
	t.Helper()
	var raw []byte
	for _, e := range entries {
		id, err := hex.DecodeString(e[2])
		if err != nil {
			t.Fatal(err)
		}
		raw = append(raw, e[0]+" "+e[1]+"\x00"...)
		raw = append(raw, id...)
	}
	return object(t, repo, "tree", raw)
}

func TestHostileTrees(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	repo.Commit(map[string]string{"a": "1"})
	blob := object(t, repo, "blob", []byte("x"))
	bomb := rawTree(t, repo, [3]string{"100644", "f", blob})
	for range 12 {
		var ten [][3]string
		for i := range 10 {
			ten = append(ten, [3]string{"40000", fmt.Sprint(i), bomb})
		}
		bomb = rawTree(t, repo, ten...)
	}
	inner := rawTree(t, repo, [3]string{"100644", "x", blob})
	for name, c := range map[string]struct {
		tree string
		is   error
	}{
		"parent":             {rawTree(t, repo, [3]string{"100644", "..", blob}), source.ErrUnsafe},
		"parent folder":      {rawTree(t, repo, [3]string{"40000", "..", inner}), source.ErrUnsafe},
		"slash":              {rawTree(t, repo, [3]string{"100644", "../../x", blob}), source.ErrUnsafe},
		"absolute":           {rawTree(t, repo, [3]string{"100644", "/etc/x", blob}), source.ErrUnsafe},
		"backslash":          {rawTree(t, repo, [3]string{"100644", `a\b`, blob}), source.ErrUnsafe},
		"Git's, odd":         {rawTree(t, repo, [3]string{"40000", ".GIT", inner}), source.ErrUnsafe},
		"Git's on HFS+":      {rawTree(t, repo, [3]string{"40000", ".g\u200cit", inner}), source.ErrUnsafe},
		"Git's on NTFS":      {rawTree(t, repo, [3]string{"40000", "git~1", inner}), source.ErrUnsafe},
		"Git's with a dot":   {rawTree(t, repo, [3]string{"40000", ".git.", inner}), source.ErrUnsafe},
		"Git's with a space": {rawTree(t, repo, [3]string{"40000", ".git ", inner}), source.ErrUnsafe},
		"Git's stream":       {rawTree(t, repo, [3]string{"40000", ".git::$INDEX_ALLOCATION", inner}), source.ErrUnsafe},
		"name twice":         {rawTree(t, repo, [3]string{"100644", "x", blob}, [3]string{"120000", "x", blob}), source.ErrInvalid},
		"unknown mode":       {rawTree(t, repo, [3]string{"060000", "dev", blob}), source.ErrCorrupt},
		"a bomb":             {bomb, source.ErrTooLarge},
		"Git's folder":       {rawTree(t, repo, [3]string{"40000", ".git", inner}, [3]string{"100644", "y", blob}), nil},
	} {
		t.Run(name, func(t *testing.T) {
			sha := object(t, repo, "commit", []byte("tree "+c.tree+"\nauthor A <a@x> 1 +0000\ncommitter A <a@x> 1 +0000\n\nm\n"))
			repo.Git("update-ref", "refs/heads/hostile", sha)
			s := open(t, git.Options{URL: repo.URL(), Reference: git.Reference{Branch: "hostile"}, MaxFiles: 10_000})
			rev, err := s.Resolve(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			a, err := s.Fetch(t.Context(), rev)
			if c.is == nil {
				if err != nil || files(t, a)["y"] != "x" || len(files(t, a)) != 1 {
					t.Errorf("%v", err)
				}
				return
			}
			wantError(t, err, c.is)
		})
	}
}

func TestEndlessServers(t *testing.T) {
	endless := func(head string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(head))
			// One long name again and again takes the client little memory.
			line := []byte("fff0" + strings.Repeat("1", 40) + " refs/heads/" + strings.Repeat("x", 65463) + "\n")
			for r.Context().Err() == nil {
				if _, err := w.Write(line); err != nil {
					return
				}
			}
		}
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		is      error
	}{
		"references": {endless("001e# service=git-upload-pack\n00000035" + strings.Repeat("1", 40) + " HEAD\x00\x00\x00\n"), source.ErrTooLarge},
		"error": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			endless("")(w, r)
		}, source.ErrUnreachable},
		"redirects": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/x"+r.URL.String(), http.StatusFound)
		}, source.ErrUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(c.handler)
			defer srv.Close()
			wantError(t, resolveError(t, git.Options{URL: srv.URL + "/x.git", Reference: onMain}), c.is)
		})
	}
}

func TestPackThatIsTooLarge(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	repo.Commit(map[string]string{"a": strings.Repeat("0123456789", 1000)})
	m, err := git.OpenMirrors(t.TempDir(), git.MirrorOptions{MaxPackBytes: 64})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s := open(t, git.Options{URL: repo.URL(), Reference: onMain, Mirrors: m})
	rev, err := s.Resolve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Fetch(t.Context(), rev)
	wantError(t, err, source.ErrTooLarge, "MaxPackBytes")
}

func TestFilesThatAreTooLarge(t *testing.T) { eachTransport(t, testFilesThatAreTooLarge) }

func testFilesThatAreTooLarge(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	repo.Commit(map[string]string{"a": strings.Repeat("0", 1<<20), "b": strings.Repeat("1", 1<<20)}) // a few kilobytes as a pack
	opts := git.Options{URL: repo.URL(), Reference: onMain, MaxBytes: 2<<20 - 1}
	wantError(t, fetchError(t, opts), source.ErrTooLarge, "Options.MaxBytes")
	opts.MaxBytes++
	take(t, open(t, opts))
}

// A server that stops in the middle of a pack, or never stops, costs a time-out;
// what was fetched before stays.
func TestServersThatBreakOffAFetch(t *testing.T) { eachTransport(t, testServersThatBreakOffAFetch) }

func testServersThatBreakOffAFetch(t *testing.T) {
	var broken atomic.Pointer[http.HandlerFunc]
	srv := gitserver.New(t, gitserver.Options{Wrap: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h := broken.Load()
			if h == nil || r.Method != http.MethodPost {
				next.ServeHTTP(w, r)
				return
			}
			answer := httptest.NewRecorder()
			next.ServeHTTP(answer, r)
			if !strings.Contains(answer.Body.String(), "PACK") {
				w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
				_, _ = w.Write(answer.Body.Bytes())
				return
			}
			w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
			_, _ = w.Write(answer.Body.Bytes()[:answer.Body.Len()*2/3])
			_ = http.NewResponseController(w).Flush()
			(*h)(w, r)
		})
	}})
	repo := srv.Repo("app")
	first := repo.Commit(map[string]string{"a": "1"})
	m := mirrors(t)
	opts := git.Options{URL: repo.URL(), Reference: onMain, Mirrors: m}
	take(t, open(t, opts))
	noise := make([]byte, 100<<10)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	repo.Commit(map[string]string{"a": "2", "noise": hex.EncodeToString(noise)})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for name, c := range map[string]struct {
		rest http.HandlerFunc
		is   error
	}{
		// As a time-out would end it, but on no clock.
		"is silent":  {func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() }, context.Canceled},
		"breaks off": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, source.ErrUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, opts)
			rev, err := s.Resolve(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			broken.Store(&c.rest)
			defer broken.Store(nil)
			fetching := t.Context()
			if name == "is silent" {
				fetching = ctx
			}
			_, err = s.Fetch(fetching, rev)
			wantError(t, err, c.is)
			srv.Reset()
			o := opts
			o.Reference = git.Reference{Commit: first}
			if got := files(t, take(t, open(t, o))); got["a"] != "1" || len(srv.Requests()) > 0 {
				t.Errorf("what was fetched before: %v, %d requests", got, len(srv.Requests()))
			}
		})
	}
	if got := files(t, take(t, open(t, opts))); got["a"] != "2" {
		t.Errorf("afterwards: %v", got)
	}
}
