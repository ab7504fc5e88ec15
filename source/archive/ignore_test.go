package archive_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/gitopskit/gitopskit/source/archive"
)

func TestIgnorePatterns(t *testing.T) {
	for _, c := range []struct {
		patterns string
		out      string // paths that are left out; a trailing slash is a folder
		in       string
	}{
		{"*.md", "a.md x/y.md", "a.mdx md"},
		{"/a.md", "a.md", "x/a.md"},
		{"docs", "docs docs/ x/docs/a docs/a/b", "docs2 mydocs"},
		{"docs/", "docs/ docs/a x/docs/y", "docs"},
		{"a/b", "a/b a/b/c", "x/a/b"},
		{"**/b", "b a/b x/y/b/z", "ab"},
		{"a/**", "a/x a/x/y", "a/ b"},
		{"a/**/z", "a/z a/b/z a/b/c/z", "a/b z"},
		{"a/*/z", "a/b/z", "a/z a/b/c/z"},
		{"a?.txt", "ab.txt", "a.txt abc.txt a/.txt"},
		{"[a-c].txt", "a.txt c.txt", "d.txt"},
		{"[!a-c].txt", "d.txt", "a.txt"},
		{"[", "", "[ a"},
		{"# a\n\n  \n", "", "#"},
		{"\\#a\n\\!b", "#a !b", "a b"},
		{"a \nb\\ ", "a", "c"},
		{"*.yaml\n!keep.yaml", "a.yaml x/b.yaml", "keep.yaml x/keep.yaml"},
		{"/*\n!/deploy", "a x/y", "deploy/ deploy/x deploy/x/y"},
		{"/*\n!/deploy/prod", "deploy/x", "deploy/prod/x"},
		{"!keep.yaml\n*.yaml", "keep.yaml", "a"},
		{"a\r\nb\r\n", "a b", "c"},
		{"*", "a x/y", ""},
		{"!.git", ".git/config x/.git/y .git", "a"},
		{"!.gitignore", ".gitmodules", ".gitignore"},
	} {
		g := archive.NewIgnore(archive.IgnoreOptions{Patterns: c.patterns})
		check := func(paths string, want bool) {
			for p := range strings.FieldsSeq(paths) {
				name, isDir := strings.CutSuffix(p, "/")
				if got := g.Match(name, isDir); got != want {
					t.Errorf("patterns %q: %q left out: %v, want %v", c.patterns, p, got, want)
				}
			}
		}
		check(c.out, true)
		check(c.in, false)
	}
}

func TestDefaultsOfFlux(t *testing.T) {
	tree := fstest.MapFS{}
	for _, p := range []string{
		"app.yaml", ".git/HEAD", ".gitignore", "x/.gitmodules", "logo.png", "x/chart.tar.gz", ".github/workflows/ci.yaml",
		".travis.yml", ".sops.yaml", "x/.flux.yaml", "x/.goreleaser.yml", "keep.txt",
	} {
		tree[p] = &fstest.MapFile{Data: []byte("x")}
	}
	names := func(g *archive.Ignore) []string {
		entries, _, err := archive.Scan(tree, g)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, e := range entries {
			if !e.Mode.IsDir() {
				out = append(out, e.Path)
			}
		}
		return out
	}
	if diff := cmp.Diff([]string{"app.yaml", "keep.txt"}, names(archive.NewIgnore(archive.IgnoreOptions{}))); diff != "" {
		t.Error(diff)
	}
	want := []string{".github/workflows/ci.yaml", ".sops.yaml", ".travis.yml", "app.yaml", "logo.png", "x/.flux.yaml", "x/.goreleaser.yml", "x/chart.tar.gz"}
	if diff := cmp.Diff(want, names(archive.NewIgnore(archive.IgnoreOptions{Patterns: "keep.txt"}))); diff != "" {
		t.Error(diff)
	}
}

func TestIgnoreFilesAtEveryLevel(t *testing.T) {
	tree := fstest.MapFS{}
	for p, content := range map[string]string{
		".sourceignore":         "*.txt\n/skipped/\n",
		"a.txt":                 "",
		"a.yaml":                "",
		"b/.sourceignore":       "!keep.txt\n/only-here\n",
		"b/keep.txt":            "",
		"b/x.txt":               "",
		"b/only-here/y":         "",
		"b/c/only-here/y":       "",
		"c/only-here/y":         "",
		"skipped/.sourceignore": "!x\n",
		"skipped/x":             "",
		"extra/x":               "",
	} {
		tree[p] = &fstest.MapFile{Data: []byte(content)}
	}
	entries, _, err := archive.Scan(tree, archive.NewIgnore(archive.IgnoreOptions{Patterns: "/extra"}))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		if !e.Mode.IsDir() {
			got = append(got, e.Path)
		}
	}
	want := []string{".sourceignore", "a.yaml", "b/.sourceignore", "b/c/only-here/y", "b/keep.txt", "c/only-here/y"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
