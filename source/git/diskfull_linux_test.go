package git_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gitopskit/gitopskit/internal/gitserver"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/git"
)

// diskSize is that of the disks below: enough for the first commit, and not for
// the second.
const diskSize = 1 << 20

const (
	childURL = "GITOPSKIT_TEST_GIT_URL"
	childDir = "GITOPSKIT_TEST_GIT_DIR"
)

// TestFullDisk fetches onto a real file system that is too small if it may mount
// one, and in any case in a process that may write no large files. What was
// there stays readable, and when there is room the fetch goes on.
func TestFullDisk(t *testing.T) { eachTransport(t, testFullDisk) }

func testFullDisk(t *testing.T) {
	if dir := os.Getenv(childDir); dir != "" {
		fetchInLittleRoom(t, os.Getenv(childURL), dir)
		return
	}
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	repo.Commit(map[string]string{"a": "small"})
	small := repo.Head()
	repo.Git("update-ref", "refs/heads/small", small)
	noise := make([]byte, 2*diskSize)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	repo.Commit(map[string]string{"b": string(noise)})

	t.Run("file size limit", func(t *testing.T) {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFullDisk$/^"+strings.Split(t.Name(), "/")[1]+"$")
		cmd.Env = append(os.Environ(), childURL+"="+repo.URL(), childDir+"="+t.TempDir())
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("tmpfs", func(t *testing.T) {
		dir := t.TempDir()
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprint("size=", diskSize)); err != nil {
			t.Logf("this user may mount nothing (%v): the file size limit was tested", err)
			return
		}
		m := mirrorsAt(t, filepath.Join(dir, "mirrors"))
		defer func() {
			_ = m.Close()
			// Artifacts keep the files open that they read.
			if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
				t.Error(err)
			}
		}()
		refusedForRoom(t, m, repo.URL())
		if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, fmt.Sprint("size=", 16*diskSize)); err != nil {
			t.Fatal(err)
		}
		a := take(t, open(t, git.Options{URL: repo.URL(), Reference: onMain, Mirrors: m}))
		if got := files(t, a); got["a"] != "small" || got["b"] != string(noise) {
			t.Error("with room the commit is not fetched whole")
		}
	})
}

func fetchInLittleRoom(t *testing.T, url, dir string) {
	signal.Ignore(syscall.SIGXFSZ) // the error is what counts
	limit := unix.Rlimit{Cur: diskSize, Max: diskSize}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	refusedForRoom(t, mirrorsAt(t, dir), url)
}

// refusedForRoom sees that a commit for which there is no room says so, leaves
// nothing behind and the commit before it readable.
func refusedForRoom(t *testing.T, m *git.Mirrors, url string) {
	t.Helper()
	small := take(t, open(t, git.Options{URL: url, Reference: git.Reference{Branch: "small"}, Mirrors: m}))
	s := open(t, git.Options{URL: url, Reference: onMain, Mirrors: m})
	revision, err := s.Resolve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Fetch(t.Context(), revision)
	if !errors.Is(err, source.ErrFull) {
		t.Errorf("a full disk gives: %v", err)
	}
	if got := files(t, small); got["a"] != "small" {
		t.Errorf("the commit before it: %v", got)
	}
	if got := files(t, take(t, open(t, git.Options{URL: url, Reference: git.Reference{Branch: "small"}, Mirrors: m}))); got["a"] != "small" {
		t.Errorf("the commit before it, fetched again: %v", got)
	}
}
