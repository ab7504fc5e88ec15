package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gitopskit/gitopskit/source/store"
)

// diskSize is that of the disks below: enough for the small artifact, and not
// for the large one.
const diskSize = 1 << 20

const childFull = "GITOPSKIT_TEST_FULL"

// TestFullDisk fills a real file system if it may mount one, and otherwise a
// process that may write no larger files.
func TestFullDisk(t *testing.T) {
	dir := os.Getenv(childFull)
	if dir != "" {
		signal.Ignore(syscall.SIGXFSZ) // the error is what counts
		limit := unix.Rlimit{Cur: diskSize, Max: diskSize}
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
			t.Fatal(err)
		}
		storeUntilFull(t, dir)
		return
	}
	t.Run("file size limit", func(t *testing.T) {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFullDisk$")
		cmd.Env = append(os.Environ(), childFull+"="+t.TempDir())
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
		defer func() {
			if err := unix.Unmount(dir, 0); err != nil {
				t.Error(err)
			}
		}()
		storeUntilFull(t, dir)
	})
}

// storeUntilFull sees that an artifact for which there is no room leaves
// nothing behind and the one before it served.
func storeUntilFull(t *testing.T, dir string) {
	t.Helper()
	s, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	small, err := s.Put(t.Context(), key, artifact(t, "1", map[string]string{"a": "small"}))
	if err != nil {
		t.Fatal(err)
	}
	noise := make([]byte, 2*diskSize)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	_, err = s.Put(t.Context(), key, artifact(t, "2", map[string]string{"a": string(noise)}))
	var se *store.Error
	if !errors.Is(err, store.ErrFull) || !errors.As(err, &se) {
		t.Errorf("a full disk gives: %v", err)
	}
	left := 0
	_ = filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), ".tmp-") {
			left++
		}
		return err
	})
	if left > 0 {
		t.Errorf("%d half-written files are left", left)
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/"+small.Path, nil))
	if w.Code != 200 || int64(w.Body.Len()) != small.Size || !bytes.HasPrefix(w.Body.Bytes(), []byte{0x1f, 0x8b}) {
		t.Errorf("the artifact before it: HTTP %d, %d bytes of %d", w.Code, w.Body.Len(), small.Size)
	}
	if again, err := s.Put(t.Context(), key, artifact(t, "3", map[string]string{"a": "small too"})); err != nil || again.Digest == small.Digest {
		t.Errorf("what has room is not stored any more: %v", err)
	}
}
