package git_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitopskit/gitopskit/internal/gitserver"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/git"
)

// addSubmodule commits a submodule into a repository.
func addSubmodule(repo *gitserver.Repo, name, path, url, commit string) {
	repo.Write(".gitmodules", fmt.Sprintf("[submodule %q]\n\tpath = %s\n\turl = %s\n", name, path, url))
	repo.Git("add", ".gitmodules")
	repo.Git("update-index", "--add", "--cacheinfo", "160000,"+commit+","+path)
	repo.Git("commit", "-qm", "submodule")
}

func TestSubmodules(t *testing.T) { eachTransport(t, testSubmodules) }

func testSubmodules(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{Username: "ann", Password: "pw"})
	inner, outer, app := srv.Repo("inner"), srv.Repo("outer"), srv.Repo("app")
	innerSHA := inner.Commit(map[string]string{"deep.yaml": "deep"})
	inner.Commit(map[string]string{"deep.yaml": "newer"})
	outer.Commit(map[string]string{"lib.yaml": "lib", "x.txt": "x"})
	addSubmodule(outer, "in", "vendor/inner", "../inner.git", innerSHA)
	outerSHA := outer.Head()
	app.Commit(map[string]string{"app.yaml": "app"})
	addSubmodule(app, "lib", "third/outer", outer.URL(), outerSHA)
	opts := git.Options{URL: app.URL(), Reference: onMain, Auth: git.Auth{Username: "ann", Password: "pw"}, Ignore: "*.txt"}
	if diff := cmp.Diff(map[string]string{"app.yaml": "app"}, files(t, take(t, open(t, opts)))); diff != "" {
		t.Error(diff)
	}
	opts.Submodules = true
	want := map[string]string{"app.yaml": "app", "third/outer/lib.yaml": "lib", "third/outer/vendor/inner/deep.yaml": "deep"}
	if diff := cmp.Diff(want, files(t, take(t, open(t, opts)))); diff != "" {
		t.Error(diff)
	}
}

func TestSubmoduleOnAnotherHostDoesNotGetTheCredentials(t *testing.T) {
	eachTransport(t, testSubmoduleOnAnotherHostDoesNotGetTheCredentials)
}

func testSubmoduleOnAnotherHostDoesNotGetTheCredentials(t *testing.T) {
	var leaked atomic.Bool
	other := gitserver.New(t, gitserver.Options{Wrap: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "" {
				leaked.Store(true)
			}
			next.ServeHTTP(w, r)
		})
	}})
	lib := other.Repo("lib")
	libSHA := lib.Commit(map[string]string{"l": "l"})
	srv := gitserver.New(t, gitserver.Options{Username: "ann", Password: "pw"})
	app := srv.Repo("app")
	app.Commit(map[string]string{"a": "a"})
	addSubmodule(app, "lib", "lib", lib.URL(), libSHA)
	opts := git.Options{URL: app.URL(), Reference: onMain, Auth: git.Auth{Username: "ann", Password: "pw"}, Submodules: true}
	if got := files(t, take(t, open(t, opts))); got["lib/l"] != "l" {
		t.Errorf("%v", got)
	}
	if leaked.Load() {
		t.Error("the other host got the password")
	}

	private := gitserver.New(t, gitserver.Options{Username: "bob", Password: "b"})
	secret := private.Repo("lib")
	secretSHA := secret.Commit(map[string]string{"s": "s"})
	addSubmodule(app, "lib", "lib", secret.URL(), secretSHA)
	s := open(t, opts)
	rev, err := s.Resolve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Fetch(t.Context(), rev)
	wantError(t, err, source.ErrAuth, `"lib"`, secret.URL())
	opts.SubmoduleAuth = map[string]git.Auth{private.URL[len("http://"):]: {Username: "bob", Password: "b"}}
	if got := files(t, take(t, open(t, opts))); got["lib/s"] != "s" {
		t.Errorf("%v", got)
	}
}

func TestSubmodulesThatCannotBeFetched(t *testing.T) {
	eachTransport(t, testSubmodulesThatCannotBeFetched)
}

func testSubmodulesThatCannotBeFetched(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	for name, c := range map[string]struct {
		url string
		is  error
	}{
		"file":                {"file:///etc", source.ErrInvalid},
		"ext":                 {"ext::sh -c id", source.ErrInvalid},
		"option for a host":   {"https://-oProxyCommand=x/y", source.ErrInvalid},
		"password in the URL": {"https://ann:topsecret@example.com/x", source.ErrInvalid},
		"above the host":      {"../../../../none.git", source.ErrNotFound},
		"SSH on another host": {"ssh://git@example.com/x", source.ErrAuth},
		"itself":              {"", source.ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			app := srv.Repo(name)
			sha := app.Commit(map[string]string{"a": "a"})
			url := c.url
			if url == "" {
				url, sha = app.URL(), "00000000000000000000000000000000000000aa"
			}
			addSubmodule(app, "lib", "lib", url, sha)
			s := open(t, git.Options{URL: srv.URL + "/" + name + ".git", Reference: onMain, Submodules: true})
			rev, err := s.Resolve(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Fetch(t.Context(), rev)
			wantError(t, err, c.is, `submodule "lib"`)
		})
	}
}
