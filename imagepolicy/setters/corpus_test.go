package setters

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/gitopskit/gitopskit/internal/parts"
)

// corpus has files of all sorts; every marked scalar is old:1.
func corpus() map[string]string {
	large := 80_000
	if testing.Short() {
		large = 1_000
	}
	marked := "image: old:1 " + m + "\n"
	list := "apiVersion: v1\nkind: List\nitems:\n- kind: Pod\n  apiVersion: v1\n  metadata: {name: p}\n  spec:\n    containers:\n    - " + marked
	return map[string]string{
		"crlf.yaml":                 strings.ReplaceAll("---\n\na: b\n\n\n"+marked+"\n# end\n", "\n", "\r\n"),
		"blank-lines.yaml":          "\n\n\n---\n\n\na: 1\n\n\n\n" + marked + "\n\n\n",
		"no-newline-at-end.yaml":    strings.TrimSuffix(marked, "\n"),
		"leading-separator.yaml":    "---\n" + marked + "---\n---\n" + marked + "...\n",
		"comments.yaml":             "# one\n  # two\na: b # three\n#four\n" + marked + "#\n##\n  #\n",
		"anchors.yaml":              "base: &base\n  " + marked + "copy:\n  <<: *base\n  other: *base\nimage: &i \"old:1\" " + m + "\nagain: *i\n",
		"block-scalars.yaml":        "text: |+\n  image: old:1\n\n\nfolded: >-\n  a\n  b\n\n" + marked + "keep: |2\n    x\n\n\n",
		"tabs.yaml":                 "a: b\t# c\nimage: old:1\t" + m + "\t\n",
		"bom.yaml":                  "\xef\xbb\xbf" + marked,
		"unicode.yaml":              "ключ: \"日本語 🚀\"\nф: {\"é\": {image: old:1}} " + m + "\n",
		"quotes.yaml":               "a: 'old:1' " + m + "\nb: \"old:1\" " + m + "\n\"c\": old:1 " + m + "\n",
		"list.yaml":                 list,
		"deep/er/kustomization.yml": "images:\n- name: x\n  newTag: old:1 # {\"$imagepolicy\": \"ns:app\"}\n",
		"Kustomization":             "kind: Kustomization\nimages:\n- " + marked,
		"key-comments.yaml":         "# head\nspec: # of spec\n  # of image\n  " + marked,
		"odd-indentation.yaml":      "a:\n      b:\n        -   " + marked + "        -   c\n",
		"large.yaml":                strings.Repeat("# words and words and words\nkey: {a: [1, 2], b: \"c\"}\n\n---\n", large) + marked,
		"not-utf-8.yaml":            "a: \xff\xfe\n" + marked,
		"broken.yaml":               "a: [\n" + marked,
		"template.yaml":             "{{ if .Values.x }}\n" + marked + "{{ end }}\n",
		"notes.txt":                 marked,
		"binary.dat":                "\x00\x01" + marked,
	}
}

// TestGitDiffShowsTheScalarsAndNothingElse asks Git what an update changed.
func TestGitDiffShowsTheScalarsAndNothingElse(t *testing.T) {
	t.Parallel()
	parts.RequireProgram(t, "git", "apt-get install git")
	folder := t.TempDir()
	git := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", folder, "-c", "core.autocrlf=false"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_SYSTEM="+os.DevNull)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	files, want := corpus(), 0
	untouched := map[string]bool{"not-utf-8.yaml": true, "broken.yaml": true, "template.yaml": true, "notes.txt": true, "binary.dat": true}
	for name, content := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if !untouched[name] {
			want += strings.Count(content, m)
		}
	}
	git("init", "-q")
	git("add", ".")
	git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x")
	result, err := Update(folder, Options{Images: images()})
	if err != nil {
		t.Fatal(err)
	}
	var removed, added []string
	for line := range strings.SplitSeq(git("diff", "-U0", "--text", "--no-color"), "\n") {
		switch {
		case strings.HasPrefix(line, "---") || strings.HasPrefix(line, "+++"):
		case strings.HasPrefix(line, "-"):
			removed = append(removed, strings.Replace(line[1:], "old:1", "ghcr.io/org/app:2.0.0", 1))
		case strings.HasPrefix(line, "+"):
			added = append(added, line[1:])
		}
	}
	if diff := cmp.Diff(removed, added); diff != "" {
		t.Errorf("more than the scalars changed: %s", diff)
	}
	if len(added) != want || len(result.Changes) != want {
		t.Errorf("%d lines and %d changes, want %d", len(added), len(result.Changes), want)
	}
	reported := map[string]bool{}
	for _, s := range result.Skipped {
		reported[s.File] = true
	}
	if diff := cmp.Diff(map[string]bool{"not-utf-8.yaml": true, "broken.yaml": true, "template.yaml": true}, reported); diff != "" {
		t.Errorf("skipped: %s\n%v", diff, result.Skipped)
	}
}

func TestRewriteReturnsWhatUpdateWrites(t *testing.T) {
	t.Parallel()
	files, folder := fstest.MapFS{}, t.TempDir()
	for name, content := range corpus() {
		if name == "large.yaml" {
			continue // it takes a while
		}
		files[name] = &fstest.MapFile{Data: []byte(content), Mode: 0o644}
	}
	if err := os.CopyFS(folder, files); err != nil {
		t.Fatal(err)
	}
	want, err := Update(folder, Options{Images: images()})
	if err != nil {
		t.Fatal(err)
	}
	contents, got, err := Rewrite(files, Options{Images: images()})
	if err != nil || len(got.Changes) != len(want.Changes) || len(got.Skipped) != len(want.Skipped) {
		t.Fatalf("got %v, error %v, want %v", got, err, want)
	}
	for name, content := range contents {
		written, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(name)))
		if err != nil || !bytes.Equal(written, content) {
			t.Errorf("%s: got %q, error %v", name, content, err)
		}
	}
	if len(contents) == 0 || len(contents) == len(files) {
		t.Errorf("%d of %d files changed", len(contents), len(files))
	}
}

// TestUndoneUpdateIsTheOriginal composes files at random.
func TestUndoneUpdateIsTheOriginal(t *testing.T) {
	t.Parallel()
	fragments := []string{
		"a: old:1 %m", "'b': 'it''s' %m", "\"c\": \"x\\ty\" %m", "d: &x old:1 %m", "e: *x", "f: |\n  text %m\n  more", "g: >-\n  a\n\n  b",
		"%m\nh: old:1", "# words", "", "---", "i:\n- old:1 %m\n- %m\n- {j: old:1, k: [old:1]} %m", "l: !!str old:1 %m", "m: ж: é %m",
		"n: [a,\n  b] %m", "o: %m", "? p\n: old:1 %m", "\tq: old:1 %m", "r: old:1#x %m", "s: \"old\n  :1\" %m", "t: 1.10 # {\"$imagepolicy\": \"ns:float:tag\"}",
	}
	changed := 0
	seeds := uint64(3000)
	if testing.Short() {
		seeds = 300
	}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 11))
		ending := []string{"\n", "\n", "\r\n", "\r"}[r.IntN(4)]
		var text string
		for range 1 + r.IntN(6) {
			text += fragments[r.IntN(len(fragments))] + "\n"
		}
		in := []byte(strings.ReplaceAll(strings.ReplaceAll(text, "%m", m), "\n", ending))
		out, result, err := UpdateContent("f.yaml", in, images())
		if err != nil {
			if !bytes.Equal(out, in) {
				t.Fatalf("seed %d: %v, but the content changed", seed, err)
			}
			continue
		}
		changed += len(result.Changes)
		back, err := Undo(out, result.Changes)
		if err != nil || !bytes.Equal(back, in) {
			t.Fatalf("seed %d: undone %q, error %v, want %q", seed, back, err, in)
		}
		for _, c := range result.Changes {
			if !strings.Contains(fmt.Sprint(c), c.New) {
				t.Fatalf("seed %d: %s does not tell of %s", seed, c, c.New)
			}
		}
	}
	if changed < int(seeds)/3 {
		t.Errorf("only %d changes", changed)
	}
}

func FuzzMarker(f *testing.F) {
	f.Add(m)
	f.Add(`# {"$ref":"#/definitions/io.k8s.cli.setters.ns:app:tag"}`)
	f.Add(`# {"$imagepolicy": "a:b:digest", "x": 1}`)
	f.Fuzz(func(t *testing.T, comment string) {
		policy, part, ok, err := parseMarker(comment)
		if err == nil && ok && (policy.Name == "" || policy.Namespace == "" || strings.Contains(policy.Name+policy.Namespace, ":")) {
			t.Errorf("%q names the policy %q, part %q", comment, policy, part)
		}
	})
}
