package archive_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitopskit/gitopskit/source/archive"
)

func FuzzExtract(f *testing.F) {
	f.Add(tarGz(f, tar.Header{Name: "a/b", Uname: "x"}, tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "a"}))
	f.Add(tarGz(f, tar.Header{Name: "../x"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		outer := t.TempDir()
		dir := filepath.Join(outer, "out")
		_, err := archive.Extract(t.Context(), bytes.NewReader(data), dir, archive.ExtractOptions{Limits: archive.Limits{Bytes: 1 << 20, Entries: 100}})
		entries, rerr := os.ReadDir(outer)
		if rerr != nil {
			t.Fatal(rerr)
		}
		for _, e := range entries {
			if err != nil || e.Name() != "out" {
				t.Errorf("%v left %s", err, e.Name())
			}
		}
		if err != nil {
			return
		}
		root, rerr := os.OpenRoot(dir)
		if rerr != nil {
			t.Fatal(rerr)
		}
		defer root.Close()
		_ = fs.WalkDir(root.FS(), ".", func(p string, _ fs.DirEntry, err error) error {
			if err != nil {
				t.Errorf("%s: %v", p, err)
				return nil
			}
			if _, err := root.Stat(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s leads outside: %v", p, err)
			}
			return nil
		})
	})
}

func FuzzIgnore(f *testing.F) {
	f.Add("*.md\n!a/**/b\n/x", "a/b/c.md")
	f.Add("[a-", "a")
	f.Fuzz(func(t *testing.T, patterns, path string) {
		g := archive.NewIgnore(archive.IgnoreOptions{Patterns: patterns})
		begun := time.Now()
		_ = g.Match(path, false)
		if strings.Contains("/"+path+"/", "/.git/") && !g.Match(path, false) {
			t.Errorf("patterns %q take %q in", patterns, path)
		}
		if len(patterns)+len(path) < 1000 && time.Since(begun) > 10*time.Second {
			t.Errorf("patterns %q and path %q take for ever", patterns, path)
		}
	})
}

func FuzzResolveLinks(f *testing.F) {
	f.Add("a/b", "a", "../x", "x")
	f.Fuzz(func(t *testing.T, name, link1, target1, target2 string) {
		if archive.CheckPath(link1) != nil {
			return
		}
		links := map[string]string{link1: target1, "x": target2}
		got, err := archive.ResolveLinks(name, func(p string) (string, bool) { to, ok := links[p]; return to, ok })
		if err != nil {
			if !errors.Is(err, archive.ErrUnsafe) {
				t.Error(err)
			}
			return
		}
		for part := range strings.SplitSeq(got, "/") {
			if part == ".." || part == "" {
				t.Errorf("%q becomes %q", name, got)
			}
		}
		if _, isLink := links[got]; isLink {
			t.Errorf("%q ends at the link %q", name, got)
		}
	})
}
