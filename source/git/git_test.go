package git_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/gitopskit/gitopskit/internal/gitserver"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/git"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mirrors opens a folder of mirrors for one test.
func mirrors(t *testing.T) *git.Mirrors {
	t.Helper()
	return mirrorsAt(t, t.TempDir())
}

func mirrorsAt(t *testing.T, dir string) *git.Mirrors {
	t.Helper()
	m, err := git.OpenMirrors(dir, git.MirrorOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// eachTransport runs a test once for each transport; open looks at the name.
func eachTransport(t *testing.T, test func(*testing.T)) {
	for _, transport := range []git.Transport{git.TransportGoGit, git.TransportGit} {
		t.Run("by "+string(transport), test)
	}
}

// listing is how many requests one listing takes: protocol version 2 asks twice.
func listing(t *testing.T) int {
	if strings.Contains(t.Name(), "/by_git/") || strings.HasSuffix(t.Name(), "/by_git") {
		return 2
	}
	return 1
}

func open(t *testing.T, opts git.Options) *git.Source {
	t.Helper()
	if strings.Contains(t.Name(), "/by_git/") || strings.HasSuffix(t.Name(), "/by_git") {
		opts.Transport = git.TransportGit
	}
	if opts.Mirrors == nil {
		opts.Mirrors = mirrors(t)
	}
	s, err := git.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// take resolves and fetches.
func take(t *testing.T, s source.Source) *source.Artifact {
	t.Helper()
	rev, err := s.Resolve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.Fetch(t.Context(), rev)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// files lists an artifact's files with their content.
func files(t *testing.T, a *source.Artifact) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := fs.WalkDir(a.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if d.Type()&fs.ModeSymlink != 0 {
			target, err := fs.ReadLink(a.FS(), p)
			out[p] = "-> " + target
			return err
		}
		data, err := fs.ReadFile(a.FS(), p)
		out[p] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestReferences(t *testing.T) { eachTransport(t, testReferences) }

func testReferences(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	first := repo.Commit(map[string]string{"a.yaml": "1"})
	repo.Tag("v1.0.0")
	second := repo.Commit(map[string]string{"a.yaml": "2"})
	repo.TagAnnotated("v1.1.0")
	repo.Tag("app-3.0.0")
	repo.TagAnnotated("v2025.02.03")
	repo.Tag("1.9")
	repo.Tag("v2.0.0-rc.1")
	repo.Branch("feature/x")
	third := repo.Commit(map[string]string{"a.yaml": "3"})
	repo.Git("update-ref", "refs/pull/7/head", third)
	repo.Branch("main")
	repo.Git("checkout", "--quiet", "--detach")
	pulled := repo.Commit(map[string]string{"a.yaml": "4"})
	repo.Git("update-ref", "refs/pull/8/head", pulled)
	repo.Git("checkout", "--quiet", "--detach", "main")
	repo.Commit(map[string]string{"a.yaml": "5"})
	repo.Tag("5.0.0+z")
	repo.Git("-c", `alias.later=!GIT_COMMITTER_DATE="2090-01-01T00:00:00Z" git commit --quiet --allow-empty -m later`, "later")
	built := repo.Head()
	repo.Tag("5.0.0+a")
	repo.Branch("main")

	cases := map[string]struct {
		ref  git.Reference
		want string
		file string
	}{
		"branch":                         {git.Reference{Branch: "main"}, "main@sha1:" + second, "2"},
		"branch with a slash":            {git.Reference{Branch: "feature/x"}, "feature/x@sha1:" + third, "3"},
		"tag":                            {git.Reference{Tag: "v1.0.0"}, "v1.0.0@sha1:" + first, "1"},
		"annotated tag is its commit":    {git.Reference{Tag: "v1.1.0"}, "v1.1.0@sha1:" + second, "2"},
		"range takes the highest":        {git.Reference{SemVer: "1.x"}, "v1.1.0@sha1:" + second, "2"},
		"range takes leading zeros":      {git.Reference{SemVer: ">=2025.0.0"}, "v2025.02.03@sha1:" + second, "2"},
		"range passes over pre-releases": {git.Reference{SemVer: "<3.0.0"}, "v1.1.0@sha1:" + second, "2"},
		"range may take pre-releases":    {git.Reference{SemVer: "<3.0.0", PreReleases: true}, "v2.0.0-rc.1@sha1:" + second, "2"},
		"range over part of the tag":     {git.Reference{SemVer: "*", TagFilter: "^app-(?P<version>.*)$"}, "app-3.0.0@sha1:" + second, "2"},
		"range of builds: newest commit": {git.Reference{SemVer: "5.x"}, "5.0.0+a@sha1:" + built, "5"},
		"name":                           {git.Reference{Name: "refs/pull/7/head"}, "refs/pull/7/head@sha1:" + third, "3"},
		"commit that is a tip":           {git.Reference{Commit: third}, "sha1:" + third, "3"},
		"commit of a pull request":       {git.Reference{Commit: pulled}, "sha1:" + pulled, "4"},
		"commit below a tip":             {git.Reference{Commit: first, Branch: "main"}, "main@sha1:" + first, "1"},
		"commit beats all":               {git.Reference{Commit: first, Name: "HEAD", Tag: "v1.1.0", SemVer: "*"}, "sha1:" + first, "1"},
		"name beats tag":                 {git.Reference{Name: "refs/tags/v1.0.0", Tag: "v1.1.0"}, "refs/tags/v1.0.0@sha1:" + first, "1"},
		"tag beats range and branch":     {git.Reference{Tag: "v1.0.0", SemVer: "*", Branch: "main"}, "v1.0.0@sha1:" + first, "1"},
		"range beats branch":             {git.Reference{SemVer: "1.0.0", Branch: "main"}, "v1.0.0@sha1:" + first, "1"},
		"HEAD":                           {git.Reference{Name: "HEAD"}, "HEAD@sha1:" + second, "2"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			a := take(t, open(t, git.Options{URL: repo.URL(), Reference: c.ref}))
			if got := a.Revision().String(); got != c.want {
				t.Errorf("revision %s, want %s", got, c.want)
			}
			if diff := cmp.Diff(map[string]string{"a.yaml": c.file}, files(t, a)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNothingChangedAsksOnce(t *testing.T) { eachTransport(t, testNothingChangedAsksOnce) }

func testNothingChangedAsksOnce(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	repo.Commit(map[string]string{"a": "1"})
	m := mirrors(t)
	s := open(t, git.Options{URL: repo.URL(), Reference: git.Reference{Branch: "main"}, Mirrors: m})
	first := take(t, s)
	srv.Reset()
	again := take(t, s)
	if got := srv.Requests(); len(got) != listing(t) {
		t.Errorf("an unchanged branch took %d requests: %v", len(got), got)
	}
	if first.ContentDigest() != again.ContentDigest() {
		t.Error("the digest changed")
	}
	pinned := open(t, git.Options{URL: repo.URL(), Reference: git.Reference{Commit: repo.Head()}, Mirrors: m})
	srv.Reset()
	take(t, pinned)
	if got := srv.Requests(); len(got) != 0 {
		t.Errorf("a pinned commit that is there took requests: %v", got)
	}
}

func TestPinnedCommitSurvivesRestart(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	sha := repo.Commit(map[string]string{"a": "1"})
	dir := t.TempDir()
	opts := git.Options{URL: repo.URL(), Reference: git.Reference{Commit: sha}, Mirrors: mirrorsAt(t, dir)}
	take(t, open(t, opts))
	srv.Reset()
	opts.Mirrors = mirrorsAt(t, dir)
	take(t, open(t, opts))
	if got := srv.Requests(); len(got) != 0 {
		t.Errorf("requests after a restart: %v", got)
	}
}

func TestSHA256RepositoryWithTheSystemsGit(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app", "--object-format=sha256")
	repo.Commit(map[string]string{"a/b": "1"})
	s := open(t, git.Options{URL: repo.URL(), Reference: git.Reference{Branch: "main"}, Transport: git.TransportGit})
	take(t, s)
	head := repo.Commit(map[string]string{"c": "2"})
	a := take(t, s)
	if a.Revision().String() != "main@sha256:"+head {
		t.Error(a.Revision())
	}
	if diff := cmp.Diff(map[string]string{"a/b": "1", "c": "2"}, files(t, a)); diff != "" {
		t.Error(diff)
	}
}

func TestManySourcesShareOneListing(t *testing.T) { eachTransport(t, testManySourcesShareOneListing) }

func testManySourcesShareOneListing(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	repo.Commit(map[string]string{"a": "1"})
	m := mirrors(t)
	take(t, open(t, git.Options{URL: repo.URL(), Reference: git.Reference{Branch: "main"}, Mirrors: m}))
	srv.Reset()
	errs := make(chan error, 100)
	for range cap(errs) {
		s := open(t, git.Options{URL: repo.URL(), Reference: git.Reference{Branch: "main"}, Mirrors: m, MaxListingAge: time.Minute})
		go func() {
			rev, err := s.Resolve(context.Background())
			if err == nil {
				_, err = s.Fetch(context.Background(), rev)
			}
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := len(srv.Requests()); n > listing(t) {
		t.Errorf("100 sources took %d requests", n)
	}
}

func TestOneChangedFileFetchesTheDifference(t *testing.T) {
	eachTransport(t, testOneChangedFileFetchesTheDifference)
}

func testOneChangedFileFetchesTheDifference(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	many := map[string]string{}
	for i := range 200 {
		many["d"+string(rune('a'+i%20))+"/f"+strings.Repeat("x", i)] = strings.Repeat("content ", i)
	}
	repo.Commit(many)
	m := mirrors(t)
	s := open(t, git.Options{URL: repo.URL(), Reference: git.Reference{Branch: "main"}, Mirrors: m})
	before := take(t, s)
	repo.Commit(map[string]string{"da/new": "fresh"})
	after := take(t, s)
	want := files(t, before)
	want["da/new"] = "fresh"
	if diff := cmp.Diff(want, files(t, after)); diff != "" {
		t.Error(diff)
	}
	if _, err := fs.Stat(before.FS(), "da/new"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the old artifact changed: %v", err)
	}
}

func TestFileSystem(t *testing.T) { eachTransport(t, testFileSystem) }

func testFileSystem(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	repo.Write("deploy/app.yaml", "kind: App\n")
	repo.Write("deploy/base/x.yaml", "x")
	repo.Write("run.sh", "#!/bin/sh\n")
	if err := os.Chmod(repo.Work+"/run.sh", 0o755); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{
		"deploy/here": "app.yaml", "folder": "deploy/base", "out": "../../etc/passwd", "abs": "/etc/passwd", "loop": "loop",
	} {
		if err := os.Symlink(target, repo.Work+"/"+link); err != nil {
			t.Fatal(err)
		}
	}
	repo.Commit(nil)
	a := take(t, open(t, git.Options{URL: repo.URL(), Reference: git.Reference{Branch: "main"}}))
	for name, want := range map[string]string{"deploy/here": "kind: App\n", "folder/x.yaml": "x"} {
		if got, err := fs.ReadFile(a.FS(), name); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"out", "abs", "loop"} {
		if _, err := fs.ReadFile(a.FS(), name); !errors.Is(err, source.ErrUnsafe) {
			t.Errorf("%s: %v", name, err)
		}
	}
	info, err := fs.Stat(a.FS(), "run.sh")
	if err != nil || info.Mode() != 0o755 {
		t.Errorf("run.sh: %v, %v", info, err)
	}
	inside := take(t, open(t, git.Options{URL: repo.URL(), Reference: git.Reference{Branch: "main"}, Ignore: "/out\n/abs\n/loop"}))
	if err := fstest.TestFS(inside.FS(), "deploy/app.yaml", "deploy/here", "folder", "run.sh"); err != nil {
		t.Error(err)
	}
}

func TestIgnoreAndSparsePaths(t *testing.T) { eachTransport(t, testIgnoreAndSparsePaths) }

func testIgnoreAndSparsePaths(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	repo.Commit(map[string]string{
		"app/a.yaml": "a", "apps/b.yaml": "b", "logo.png": "png", ".github/ci.yaml": "ci", ".gitignore": "x",
		"app/.sops.yaml": "s", "app/deep/c.yaml": "c",
	})
	cases := map[string]struct {
		opts git.Options
		want map[string]string
	}{
		"leaves out what Flux leaves out": {git.Options{}, map[string]string{"app/a.yaml": "a", "apps/b.yaml": "b", "app/deep/c.yaml": "c"}},
		"a pattern drops the defaults but version control's": {git.Options{Ignore: "apps/"}, map[string]string{
			"app/a.yaml": "a", "logo.png": "png", ".github/ci.yaml": "ci", "app/.sops.yaml": "s", "app/deep/c.yaml": "c",
		}},
		"all out and one in": {git.Options{Ignore: "/*\n!/app\n"}, map[string]string{
			"app/a.yaml": "a", "app/.sops.yaml": "s", "app/deep/c.yaml": "c",
		}},
		"app is not apps": {git.Options{SparsePaths: []string{"./app/"}}, map[string]string{"app/a.yaml": "a", "app/deep/c.yaml": "c"}},
		"nested sparse paths count once": {git.Options{SparsePaths: []string{"app/deep", "app"}}, map[string]string{
			"app/a.yaml": "a", "app/deep/c.yaml": "c",
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			c.opts.URL, c.opts.Reference.Branch = repo.URL(), "main"
			if diff := cmp.Diff(c.want, files(t, take(t, open(t, c.opts)))); diff != "" {
				t.Error(diff)
			}
		})
	}
	s := open(t, git.Options{URL: repo.URL(), Reference: git.Reference{Branch: "main"}, SparsePaths: []string{"aps"}})
	rev, err := s.Resolve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err = s.Fetch(t.Context(), rev); !errors.Is(err, source.ErrNotFound) || !strings.Contains(err.Error(), `"app"`) {
		t.Errorf("missing sparse path: %v", err)
	}
}

func TestCommitOutsideTheSelectionIsNoNews(t *testing.T) {
	eachTransport(t, testCommitOutsideTheSelectionIsNoNews)
}

func testCommitOutsideTheSelectionIsNoNews(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("mono")
	repo.Commit(map[string]string{"app/a": "1", "other/b": "1"})
	s := open(t, git.Options{URL: repo.URL(), Reference: git.Reference{Branch: "main"}, SparsePaths: []string{"app"}})
	before := take(t, s)
	head := repo.Commit(map[string]string{"other/b": "2"})
	after := take(t, s)
	if before.ContentDigest() != after.ContentDigest() {
		t.Error("a commit elsewhere changed the digest")
	}
	if after.Revision().Hash() != head {
		t.Errorf("revision %s is not the new commit", after.Revision())
	}
}

func TestArchiveIsReproducibleAndQuickWhenLittleChanged(t *testing.T) {
	eachTransport(t, testArchiveIsReproducibleAndQuickWhenLittleChanged)
}

func testArchiveIsReproducibleAndQuickWhenLittleChanged(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	repo.Commit(map[string]string{"a/x": "1", "b/y": strings.Repeat("y", 3<<20), "c": ""})
	opts := git.Options{URL: repo.URL(), Reference: git.Reference{Branch: "main"}}
	one, two := take(t, open(t, opts)), take(t, open(t, opts))
	var first, second, third bytes.Buffer
	for _, w := range []struct {
		a *source.Artifact
		b *bytes.Buffer
	}{{one, &first}, {one, &second}, {two, &third}} {
		if _, err := w.a.WriteArchive(t.Context(), w.b); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) || !bytes.Equal(first.Bytes(), third.Bytes()) {
		t.Error("the archive depends on more than the tree")
	}
}
