package git_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitopskit/gitopskit/internal/gitserver"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/git"
)

func TestReferenceThatDoesNotExist(t *testing.T) { eachTransport(t, testReferenceThatDoesNotExist) }

func testReferenceThatDoesNotExist(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	repo.Commit(map[string]string{"a": "1"})
	repo.Branch("production")
	repo.Tag("v1.0.0")
	for name, c := range map[string]struct {
		ref   git.Reference
		words []string
	}{
		"branch":  {git.Reference{Branch: "prodution"}, []string{`no branch "prodution"`, `there is "production"`}},
		"default": {git.Reference{}, []string{`no branch "master"`, `"main"`}},
		"tag":     {git.Reference{Tag: "1.0.0"}, []string{`"v1.0.0"`}},
		"range":   {git.Reference{SemVer: ">=2"}, []string{`">=2"`, `"v1.0.0"`}},
		"filter":  {git.Reference{SemVer: ">=2", TagFilter: "^x"}, []string{`"^x"`}},
		"name":    {git.Reference{Name: "refs/heads/x"}, []string{"refs/heads/x"}},
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, resolveError(t, git.Options{URL: repo.URL(), Reference: c.ref}), source.ErrNotFound, append(c.words, repo.URL())...)
		})
	}
	s := open(t, git.Options{URL: repo.URL(), Reference: git.Reference{Commit: strings.Repeat("ab", 20), Branch: "main"}})
	rev, err := s.Resolve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Fetch(t.Context(), rev)
	wantError(t, err, source.ErrNotFound, "abab", "refs/heads/main")
}

func TestEmptyRepository(t *testing.T) { eachTransport(t, testEmptyRepository) }

func testEmptyRepository(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	wantError(t, resolveError(t, git.Options{URL: repo.URL(), Reference: onMain}), git.ErrEmpty, "push a commit")
	server := srv.SSH()
	wantError(t, resolveError(t, git.Options{URL: server.URL(repo), Reference: onMain, Auth: git.Auth{
		Identity: server.Identity, KnownHosts: server.KnownHosts,
	}}), git.ErrEmpty)
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	m := mirrors(t)
	ok := git.Options{URL: "https://example.com/x.git", Mirrors: m}
	for name, c := range map[string]struct {
		change func(*git.Options)
		words  string
	}{
		"no URL":              {func(o *git.Options) { o.URL = "" }, "set Options.URL"},
		"scp form":            {func(o *git.Options) { o.URL = "git@example.com:x.git" }, "ssh://git@"},
		"file":                {func(o *git.Options) { o.URL = "file:///etc" }, `"file" is not supported`},
		"ext":                 {func(o *git.Options) { o.URL = "ext::sh -c id" }, "no scheme"},
		"option for a host":   {func(o *git.Options) { o.URL = "https://-oProxyCommand=x/y" }, "not allowed"},
		"password in the URL": {func(o *git.Options) { o.URL = "https://ann:topsecret@example.com/x" }, "holds a password"},
		"no mirrors":          {func(o *git.Options) { o.Mirrors = nil }, "Options.Mirrors"},
		"no SSH key":          {func(o *git.Options) { o.URL = "ssh://example.com/x" }, "Auth.Identity"},
		"no known hosts":      {func(o *git.Options) { o.URL = "ssh://example.com/x"; o.Auth.Identity = []byte("x") }, "Auth.KnownHosts"},
		"key is no key": {func(o *git.Options) {
			o.URL, o.Auth.Identity, o.Auth.KnownHosts = "ssh://example.com/x", []byte("x"), []byte("x")
		}, "private key cannot be read"},
		"CA is no certificate": {func(o *git.Options) { o.Auth.CA = []byte("x") }, "Auth.CA"},
		"short commit":         {func(o *git.Options) { o.Reference.Commit = "abc" }, "40 hex digits"},
		"range":                {func(o *git.Options) { o.Reference.SemVer = "nonsense" }, "no version range"},
		"branch":               {func(o *git.Options) { o.Reference.Branch = "--upload-pack=x" }, "no name"},
		"name":                 {func(o *git.Options) { o.Reference.Name = "main" }, "refs/heads/main"},
		"filter":               {func(o *git.Options) { o.Reference.SemVer, o.Reference.TagFilter = "*", "(" }, "TagFilter"},
		"sparse path":          {func(o *git.Options) { o.SparsePaths = []string{"app/../../x"} }, "leaves the repository"},
		"two kinds of password": {func(o *git.Options) {
			o.Auth = git.Auth{Username: "ann", Password: "x", BearerToken: "y"}
		}, "one of the two kinds"},
		"proxy": {func(o *git.Options) { o.Proxy.URL = "ftp://x:1" }, "Proxy.URL"},
	} {
		t.Run(name, func(t *testing.T) {
			o := ok
			c.change(&o)
			_, err := git.New(o)
			wantError(t, err, source.ErrInvalid, c.words)
			if err != nil && strings.Contains(err.Error(), "topsecret") {
				t.Errorf("the password is in the error: %v", err)
			}
		})
	}
}

// damage changes bytes in the middle of every file that matches.
func damage(t *testing.T, pattern string) {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("nothing matches %s: %v", pattern, err)
	}
	for _, n := range names {
		if err := os.Chmod(n, 0o600); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		for i := len(data) / 4; i < len(data)*3/4; i++ {
			data[i] ^= 0x55
		}
		if err := os.WriteFile(n, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDamagedMirrorIsMadeAnew(t *testing.T) { eachTransport(t, testDamagedMirrorIsMadeAnew) }

func testDamagedMirrorIsMadeAnew(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	repo.Commit(map[string]string{"a": strings.Repeat("hello\n", 100), "b/c": "c"})
	for name, hurt := range map[string]func(dir string){
		"pack is damaged":  func(dir string) { damage(t, dir+"/*/objects/pack/*.pack") },
		"index is damaged": func(dir string) { damage(t, dir+"/*/objects/pack/*.idx") },
		"index is cut off": func(dir string) {
			names, _ := filepath.Glob(dir + "/*/objects/pack/*.idx")
			for _, n := range names {
				if err := os.Truncate(n, 100); err != nil {
					t.Fatal(err)
				}
			}
		},
		"packs are gone": func(dir string) {
			names, _ := filepath.Glob(dir + "/*/objects/pack/*")
			for _, n := range names {
				_ = os.Remove(n)
			}
		},
		"state is nonsense": func(dir string) {
			names, _ := filepath.Glob(dir + "/*/state.json")
			if err := os.WriteFile(names[0], []byte("{"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			opts := git.Options{URL: repo.URL(), Reference: onMain, Mirrors: mirrorsAt(t, dir)}
			want := files(t, take(t, open(t, opts)))
			hurt(dir)
			opts.Mirrors = mirrorsAt(t, dir)
			got := files(t, take(t, open(t, opts)))
			if len(got) != len(want) || got["a"] != want["a"] {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestFetchEndsWithItsContext(t *testing.T) { eachTransport(t, testFetchEndsWithItsContext) }

func testFetchEndsWithItsContext(t *testing.T) {
	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-release:
		}
	}))
	defer slow.Close()
	defer close(release)
	s := open(t, git.Options{URL: slow.URL + "/x.git", Reference: onMain, Timeout: 50 * time.Millisecond})
	_, err := s.Resolve(t.Context())
	wantError(t, err, context.DeadlineExceeded, "Options.Timeout")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Resolve(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestServerThatIsNotThere(t *testing.T) { eachTransport(t, testServerThatIsNotThere) }

func testServerThatIsNotThere(t *testing.T) {
	wantError(t, resolveError(t, git.Options{URL: "http://127.0.0.1:1/x.git", Reference: onMain}), source.ErrUnreachable, "127.0.0.1:1")
}

func TestAnswersThatAreNoGit(t *testing.T) { eachTransport(t, testAnswersThatAreNoGit) }

func testAnswersThatAreNoGit(t *testing.T) {
	for name, body := range map[string]string{"html": "<html>login</html>", "nothing": "", "pkt": "0032", "long": strings.Repeat("A", 1<<20)} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte(body))
			}))
			defer srv.Close()
			is := source.ErrUnreachable
			if listing(t) == 2 { // the system's git takes it for a repository of files without any
				is = git.ErrEmpty
			}
			wantError(t, resolveError(t, git.Options{URL: srv.URL + "/x.git", Reference: onMain}), is)
		})
	}
}

func TestManyGoroutinesAndMirrorsFetchTheSame(t *testing.T) {
	eachTransport(t, testManyGoroutinesAndMirrorsFetchTheSame)
}

func testManyGoroutinesAndMirrorsFetchTheSame(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	repo.Commit(map[string]string{"a": "1", "b/c": "2"})
	dir := t.TempDir()
	errs := make(chan error, 16)
	for i := range cap(errs) {
		m := mirrorsAt(t, dir) // each as another process would
		s := open(t, git.Options{URL: repo.URL(), Reference: onMain, Mirrors: m, MaxListingAge: time.Duration(i) * time.Second})
		go func() {
			rev, err := s.Resolve(context.Background())
			if err == nil {
				var a *source.Artifact
				if a, err = s.Fetch(context.Background(), rev); err == nil && a.Size() != 2 {
					err = errors.New("wrong size")
				}
			}
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	left, _ := filepath.Glob(dir + "/*/incoming-*")
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
