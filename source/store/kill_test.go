package store_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/gitopskit/gitopskit/internal/gitserver"
	"github.com/gitopskit/gitopskit/source/git"
	"github.com/gitopskit/gitopskit/source/store"
)

// kills is how often the child is killed: at moments spread over its start and
// its first cycles of fetching, storing and collecting.
const kills = 100

const (
	childDir = "GITOPSKIT_TEST_STORE"
	childURL = "GITOPSKIT_TEST_URL"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := fetchAndStore(dir, os.Getenv(childURL)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// fetchAndStore fetches branches of a repository, one after the other, into a
// store until it is killed.
func fetchAndStore(dir, url string) error {
	ctx := context.Background()
	mirrors, err := git.OpenMirrors(filepath.Join(dir, "mirrors"), git.MirrorOptions{MaxPacks: 3})
	if err != nil {
		return err
	}
	files, err := store.Open(filepath.Join(dir, "store"), store.Options{KeepCount: 1, KeepAge: time.Nanosecond})
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, "ready")
	for i := 0; ; i++ {
		src, err := git.New(git.Options{URL: url, Reference: git.Reference{Branch: fmt.Sprint("b", i%5)}, Mirrors: mirrors})
		if err != nil {
			return err
		}
		revision, err := src.Resolve(ctx)
		if err != nil {
			return err
		}
		artifact, err := src.Fetch(ctx, revision)
		if err != nil {
			return err
		}
		if _, err := files.Put(ctx, key, artifact); err != nil {
			return err
		}
		if _, err := files.Collect(ctx, key); err != nil {
			return err
		}
		if i == 0 {
			fmt.Fprintln(os.Stdout, "stored")
		}
	}
}

func TestKilledAtAnyInstant(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	revisions := map[string]bool{}
	for i := range 5 {
		repo.Branch(fmt.Sprint("b", i))
		many := map[string]string{}
		for j := range 40 {
			many[fmt.Sprintf("d%d/f%d", j%7, j)] = fmt.Sprint(rand.Perm(500), i)
		}
		revisions[repo.Commit(many)] = true
	}
	dir := t.TempDir()
	// The first child tells how long a cycle takes here; the others are killed
	// within the time of two.
	cycle := killAfter(t, dir, repo.URL(), 0)
	stored := true
	rounds := kills
	if testing.Short() {
		rounds = kills / 5
	}
	for i := range rounds {
		killAfter(t, dir, repo.URL(), 1+rand.N(2*cycle))
		files := open(t, filepath.Join(dir, "store"), store.Options{})
		leftovers(t, filepath.Join(dir, "store"))
		records, err := files.List(key)
		if err != nil {
			t.Fatal(err)
		}
		if stored && len(records) == 0 {
			t.Fatalf("kill %d: what was stored before is gone", i)
		}
		stored = len(records) > 0
		for _, r := range records {
			if err := files.Verify(t.Context(), r); err != nil {
				t.Fatalf("kill %d: %v", i, err)
			}
			if !revisions[r.Revision.Hash()] {
				t.Fatalf("kill %d: revision %s", i, r.Revision)
			}
		}
	}
	mirrors, err := git.OpenMirrors(filepath.Join(dir, "mirrors"), git.MirrorOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer mirrors.Close()
	src, err := git.New(git.Options{URL: repo.URL(), Reference: git.Reference{Branch: "b0"}, Mirrors: mirrors})
	if err != nil {
		t.Fatal(err)
	}
	revision, err := src.Resolve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := src.Fetch(t.Context(), revision); err != nil {
		t.Errorf("the mirror cannot be used after all this: %v", err)
	}
}

// killAfter starts a child and kills it some time after it is ready or, if wait
// is zero, once it has stored something; it returns how long that took.
func killAfter(t *testing.T, dir, url string, wait time.Duration) time.Duration {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir, childURL+"="+url)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	expect := func(want string) {
		t.Helper()
		if line, err := lines.ReadString('\n'); err != nil || line != want+"\n" {
			_ = cmd.Wait()
			t.Fatalf("the child could not use what the last one left: %q, %v", line, err)
		}
	}
	expect("ready")
	begun := time.Now()
	if wait == 0 {
		expect("stored")
	} else {
		<-time.After(wait)
	}
	took := time.Since(begun)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	return took
}
