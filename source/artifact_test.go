package source_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/archive"
)

// readID takes a file's ID for its content.
func readID(_ context.Context, e archive.Entry) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(e.ID)), nil
}

func file(path, content string) archive.Entry {
	return archive.Entry{Path: path, Mode: 0o644, Size: int64(len(content)), ID: content}
}

func link(path, target string) archive.Entry {
	return archive.Entry{Path: path, Mode: fs.ModeSymlink, Target: target}
}

func artifact(t *testing.T, entries ...archive.Entry) *source.Artifact {
	t.Helper()
	a, err := source.NewArtifact(source.Contents{Revision: "r", Entries: entries, Open: readID})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestArtifactIsAFileSystem(t *testing.T) {
	a := artifact(t, file("a/b/c.txt", "c"), file("z", "zz"), link("a/up", "../z"), link("dir", "a/b"), link("root", "."),
		archive.Entry{Path: "empty", Mode: fs.ModeDir})
	if err := fstest.TestFS(a.FS(), "a/b/c.txt", "z", "a/up", "dir", "empty"); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]string{"dir/c.txt": "c", "a/up": "zz", "root/dir/c.txt": "c", "root/root/z": "zz"} {
		if got, err := fs.ReadFile(a.FS(), name); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if a.Size() != 3 {
		t.Errorf("size %d", a.Size())
	}
}

func TestLinksThatLeadOutsideFailWhenUsed(t *testing.T) {
	a := artifact(t, file("a/x", "x"), link("a/abs", "/etc/passwd"), link("a/out", "../../x"), link("a/loop", "loop"),
		link("a/root", ".."), link("sly", "a/root/../x"), link("dangling", "nowhere"))
	for _, name := range []string{"a/abs", "a/out", "a/loop", "sly"} {
		if _, err := fs.Stat(a.FS(), name); !errors.Is(err, source.ErrUnsafe) {
			t.Errorf("%s: %v", name, err)
		}
		if info, err := fs.Lstat(a.FS(), name); err != nil || info.Mode()&fs.ModeSymlink == 0 {
			t.Errorf("lstat %s: %v, %v", name, info, err)
		}
	}
	if _, err := fs.Stat(a.FS(), "dangling"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("dangling: %v", err)
	}
}

func TestContentDigestDependsOnContentAlone(t *testing.T) {
	base := artifact(t, file("a", "1"), file("b/c", "2"))
	if same := artifact(t, file("b/c", "2"), file("a", "1"), archive.Entry{Path: "b", Mode: fs.ModeDir}); same.ContentDigest() != base.ContentDigest() {
		t.Error("the order of entries counts, or a folder that is implied")
	}
	seen := map[string]string{base.ContentDigest(): "base"}
	exec := file("a", "1")
	exec.Mode = 0o755
	for name, a := range map[string]*source.Artifact{
		"content":  artifact(t, file("a", "2"), file("b/c", "2")),
		"name":     artifact(t, file("A", "1"), file("b/c", "2")),
		"exec bit": artifact(t, exec, file("b/c", "2")),
		"link":     artifact(t, link("a", "1"), file("b/c", "2")),
		"folder":   artifact(t, file("a", "1"), file("b/c", "2"), archive.Entry{Path: "d", Mode: fs.ModeDir}),
		"fewer":    artifact(t, file("a", "1")),
	} {
		if old, ok := seen[a.ContentDigest()]; ok {
			t.Errorf("%s has the digest of %s", name, old)
		}
		seen[a.ContentDigest()] = name
	}
	if moved := base.WithRevision("other"); moved.ContentDigest() != base.ContentDigest() || moved.Revision() != "other" || base.Revision() != "r" {
		t.Error("WithRevision")
	}
}

func TestArtifactRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		entries []archive.Entry
		is      error
	}{
		"outside":         {[]archive.Entry{file("../x", "")}, source.ErrUnsafe},
		"absolute":        {[]archive.Entry{file("/x", "")}, source.ErrUnsafe},
		"Git's folder":    {[]archive.Entry{file(".git/config", "x")}, source.ErrUnsafe},
		"in upper case":   {[]archive.Entry{file("a/.GIT/config", "x")}, source.ErrUnsafe},
		"NTFS short name": {[]archive.Entry{file("git~1", "x")}, source.ErrUnsafe},
		"NTFS stream":     {[]archive.Entry{file(".git::$INDEX_ALLOCATION/x", "x")}, source.ErrUnsafe},
		"NTFS dots":       {[]archive.Entry{file(".git. /x", "x")}, source.ErrUnsafe},
		"HFS+ ignorable":  {[]archive.Entry{file(".g\u200cit/x", "x")}, source.ErrUnsafe},
		"device":          {[]archive.Entry{{Path: "d", Mode: fs.ModeDevice}}, source.ErrUnsafe},
		"twice":           {[]archive.Entry{file("a", "1"), file("a", "2")}, source.ErrInvalid},
		"file and folder": {[]archive.Entry{file("a", "1"), file("a/b", "2")}, source.ErrInvalid},
		"folder and file": {[]archive.Entry{file("a/b", "1"), file("a", "2")}, source.ErrInvalid},
		"no ID":           {[]archive.Entry{{Path: "a", Mode: 0o644}}, source.ErrInvalid},
		"negative size":   {[]archive.Entry{{Path: "a", Mode: 0o644, Size: -1, ID: "x"}}, source.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := source.NewArtifact(source.Contents{Revision: "r", Entries: c.entries, Open: readID})
			if !errors.Is(err, c.is) {
				t.Errorf("error %v", err)
			}
		})
	}
	if _, err := source.NewArtifact(source.Contents{}); !errors.Is(err, source.ErrInvalid) {
		t.Errorf("no revision: %v", err)
	}
}

func TestWriteArchive(t *testing.T) {
	a := artifact(t, file("a", "1"), file("b/c", "2"))
	var buf bytes.Buffer
	info, err := a.WriteArchive(t.Context(), &buf)
	if err != nil || info.Size != int64(buf.Len()) || !strings.HasPrefix(info.Digest, "sha256:") {
		t.Errorf("%+v, %v", info, err)
	}
}

func TestInclude(t *testing.T) {
	base := artifact(t, file("app/a", "1"), file("x", "x"))
	other := artifact(t, file("deploy/b", "2"), file("deploy/sub/c", "3"), file("rest", "r"), link("deploy/l", "sub/c"))
	got, err := source.Include(base, source.Inclusion{Artifact: other, From: "./deploy/"[2:], To: "app/lib"}, source.Inclusion{Artifact: other, To: "all"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"app/a": "1", "x": "x", "app/lib/b": "2", "app/lib/sub/c": "3", "app/lib/l": "3", "all/rest": "r", "all/deploy/b": "2"} {
		if data, err := fs.ReadFile(got.FS(), name); err != nil || string(data) != want {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
	if got.Revision() != base.Revision() || got.ContentDigest() == base.ContentDigest() {
		t.Error("revision or digest")
	}
	for _, c := range []struct {
		in source.Inclusion
		is error
	}{
		{source.Inclusion{Artifact: other, From: "none", To: "y"}, source.ErrNotFound},
		{source.Inclusion{Artifact: other, From: "deploy", To: "../y"}, source.ErrUnsafe},
		{source.Inclusion{Artifact: other, From: "deploy"}, source.ErrUnsafe},
		{source.Inclusion{Artifact: other, From: "deploy", To: "x"}, source.ErrInvalid},
		{source.Inclusion{To: "x"}, source.ErrInvalid},
		{source.Inclusion{Artifact: artifact(t, file("a", "9")), To: "app"}, source.ErrInvalid},
	} {
		if _, err := source.Include(base, c.in); !errors.Is(err, c.is) {
			t.Errorf("%+v: %v", c.in, err)
		}
	}
}

func TestFromFS(t *testing.T) {
	tree := fstest.MapFS{
		"a.yaml": {Data: []byte("a"), Mode: 0o644}, "bin/run": {Data: []byte("#!"), Mode: 0o755},
		".git/HEAD": {Data: []byte("x")}, ".gitignore": {Data: []byte("x")}, "logo.png": {Data: []byte("p")},
	}
	all, err := source.FromFS(tree, "r", nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range all.Entries() {
		names = append(names, e.Path)
	}
	if got := strings.Join(names, " "); got != ".gitignore a.yaml bin bin/run logo.png" {
		t.Error(got)
	}
	some, err := source.FromFS(tree, "r", archive.NewIgnore(archive.IgnoreOptions{}))
	if err != nil || len(some.Entries()) != 3 {
		t.Errorf("%v, %v", some.Entries(), err)
	}
	d, err := source.Diff(some, all)
	if err != nil || len(d) != 2 {
		t.Errorf("%v, %v", d, err)
	}
}
