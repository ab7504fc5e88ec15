package git_test

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gitopskit/gitopskit/internal/gitserver"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/git"
)

func TestPacksAreJoined(t *testing.T) { eachTransport(t, testPacksAreJoined) }

func testPacksAreJoined(t *testing.T) {
	const most, commits = 3, 8
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	files0 := map[string]string{"keep/me": strings.Repeat("0123456789\n", 5000), "x": "-1"}
	first := repo.Commit(files0)
	dir := t.TempDir()
	open1 := func() *git.Mirrors {
		m, err := git.OpenMirrors(dir, git.MirrorOptions{MaxPacks: most})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = m.Close() })
		return m
	}
	mine, others := open1(), open1() // others as another process has it
	s := open(t, git.Options{URL: repo.URL(), Reference: onMain, Mirrors: mine})
	other := open(t, git.Options{URL: repo.URL(), Reference: onMain, Mirrors: others})
	pinned := open(t, git.Options{URL: repo.URL(), Reference: git.Reference{Commit: first}, Mirrors: mine})
	old := take(t, pinned)
	stop := readForever(t, old, files0)
	for i := range commits {
		want := fmt.Sprint(i)
		repo.Commit(map[string]string{"x": want, "keep/me": files0["keep/me"] + want})
		for _, s := range []*git.Source{s, other} {
			if got := files(t, take(t, s)); got["x"] != want || got["keep/me"] != files0["keep/me"]+want {
				t.Fatalf("commit %d: %.50v", i, got)
			}
		}
		packs, err := filepath.Glob(dir + "/*/objects/pack/*.pack")
		if err != nil || len(packs) > most {
			t.Errorf("commit %d: %d packs, %v", i, len(packs), err)
		}
		srv.Reset()
		if got := files(t, take(t, pinned)); got["x"] != "-1" {
			t.Errorf("the pinned commit after %d: %v", i, got["x"])
		}
		if n := len(srv.Requests()); n != 0 {
			t.Errorf("the pinned commit cost %d requests after commit %d", n, i)
		}
	}
	stop()
	for _, kind := range []string{"idx", "pack"} {
		if left, _ := filepath.Glob(dir + "/*/objects/pack/*." + kind); len(left) > most {
			t.Errorf("%d files %s", len(left), kind)
		}
	}
}

// readForever reads an artifact again and again until the function that it
// returns is called.
func readForever(t *testing.T, a *source.Artifact, want map[string]string) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for ctx.Err() == nil {
				for name, content := range want {
					if got, err := fs.ReadFile(a.FS(), name); err != nil || string(got) != content {
						t.Errorf("%s changed under the reader: %v", name, err)
						return
					}
				}
			}
		})
	}
	return func() { cancel(); wg.Wait() }
}

func TestJoiningPacksOfDeltasAndTags(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app", "--object-format=sha256")
	dir := t.TempDir()
	m, err := git.OpenMirrors(dir, git.MirrorOptions{MaxPacks: 1}) // each fetch joins
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s := open(t, git.Options{URL: repo.URL(), Reference: git.Reference{SemVer: "*"}, Transport: git.TransportGit, Mirrors: m})
	for i := range 5 {
		text := strings.Repeat(fmt.Sprintf("line of version %d\n", i/4), 3000)
		repo.Commit(map[string]string{"text": text, "i": fmt.Sprint(i)})
		repo.TagAnnotated(fmt.Sprintf("v1.0.%d", i))
		if got := files(t, take(t, s)); got["text"] != text || got["i"] != fmt.Sprint(i) {
			t.Fatalf("%d: %.30v", i, got)
		}
		if i == 3 { // what cannot be joined is made anew
			damage(t, dir+"/*/objects/pack/*.pack")
		}
	}
}
