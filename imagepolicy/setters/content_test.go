package setters

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func images() map[Policy]Image {
	return map[Policy]Image{
		{Namespace: "ns", Name: "app"}:   {Name: "ghcr.io/org/app", Tag: "2.0.0"},
		{Namespace: "ns", Name: "float"}: {Name: "ghcr.io/org/app", Tag: "1.10"},
		{Namespace: "ns", Name: "both"}:  {Name: "ghcr.io/org/app", Tag: "2.0.0", Digest: digest},
	}
}

const m = `# {"$imagepolicy": "ns:app"}`

func TestOnlyTheScalarChanges(t *testing.T) {
	tagged := strings.ReplaceAll(m, "app", "app:tag")
	for name, c := range map[string]struct{ in, old, new string }{
		"line comment":          {"---\n\n\nimage: a:1 " + m + "\n\n# end", "a:1", "ghcr.io/org/app:2.0.0"},
		"CRLF":                  {"a: b\r\n\r\nimage: a:1   " + m + "\r\nz: 1\r\n", "a:1", "ghcr.io/org/app:2.0.0"},
		"byte order mark":       {"\xef\xbb\xbfimage: a:1 " + m + "\n", "a:1", "ghcr.io/org/app:2.0.0"},
		"letters before it":     {"\"äöü€\": {x: \"ж\", image: a:1} " + m + "\n", "a:1", "ghcr.io/org/app:2.0.0"},
		"double quotes stay":    {"image: \"a:1\" " + m + "\n", `"a:1"`, `"ghcr.io/org/app:2.0.0"`},
		"single quotes stay":    {"image: 'a:1' " + m + "\n", `'a:1'`, `'ghcr.io/org/app:2.0.0'`},
		"an anchor stays":       {"image: &x a:1 " + m + "\nother: *x\n", "a:1", "ghcr.io/org/app:2.0.0"},
		"head comment":          {"# words\n" + m + "\n# more\nimage: a:1\n", "a:1", "ghcr.io/org/app:2.0.0"},
		"head comment of item":  {"x:\n  " + m + "\n  - a:1\n", "a:1", "ghcr.io/org/app:2.0.0"},
		"sequence":              {"x:\n- a:1 " + m + "\n- a:1\n", "a:1", "ghcr.io/org/app:2.0.0"},
		"tag":                   {"newTag: v1\t" + tagged + "\n", "v1", "2.0.0"},
		"older form":            {"image: a:1 # {\"$ref\":\"#/definitions/io.k8s.cli.setters.ns:app\"}\n", "a:1", "ghcr.io/org/app:2.0.0"},
		"no float by accident":  {"tag: v1 # {\"$imagepolicy\": \"ns:float:tag\"}\n", "v1", `"1.10"`},
		"name in chart values":  {"image:\n  repository: x # {\"$imagepolicy\": \"ns:app:name\"}\n  tag: 2.0.0 # {\"$imagepolicy\": \"ns:app:tag\"}\n", "x", "ghcr.io/org/app"},
		"digest":                {"d: x # {\"$imagepolicy\": \"ns:both:digest\"}\n", "x", digest},
		"name and tag, digest":  {"d: x # {\"$imagepolicy\": \"ns:both\"}\n", "x", "ghcr.io/org/app:2.0.0@" + digest},
		"later document":        {"%YAML 1.1\n---\nx: |\n  text\n...\n---\nimage: a:1 " + m + "\n", "a:1", "ghcr.io/org/app:2.0.0"},
		"text in a block above": {"x: |\n  " + m + "\nimage: b\nreal: a:1 " + m + "\n", "a:1", "ghcr.io/org/app:2.0.0"},
	} {
		t.Run(name, func(t *testing.T) {
			got, result, err := UpdateContent("f.yaml", []byte(c.in), images())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Replace(c.in, c.old, c.new, 1), string(got)); diff != "" {
				t.Fatalf("%s\n%v", diff, result)
			}
			back, err := Undo(got, result.Changes)
			if err != nil || string(back) != c.in {
				t.Errorf("undone: %q, error %v", back, err)
			}
			again, result, err := UpdateContent("f.yaml", got, images())
			if err != nil || len(result.Changes) != 0 || !bytes.Equal(again, got) {
				t.Errorf("a second time: %v, error %v", result.Changes, err)
			}
		})
	}
}

func TestSkippedMarkersAreReported(t *testing.T) {
	for name, c := range map[string]struct{ in, why string }{
		"block scalar":    {"x: | " + m + "\n  a:1\n", "no scalar"},
		"alias":           {"x: &a b\ny: *a " + m + "\n", "no scalar"},
		"empty value":     {"x: " + m + "\n", "no scalar"},
		"unknown policy":  {"x: a # {\"$imagepolicy\": \"ns:other\"}\n", "the policy ns:other has no image"},
		"no digest":       {"x: " + digest + " # {\"$imagepolicy\": \"ns:app:digest\"}\n", "has no digest"},
		"unknown part":    {"x: a # {\"$imagepolicy\": \"ns:app:sha\"}\n", `asks for "sha"`},
		"no namespace":    {"x: a # {\"$imagepolicy\": \"app\"}\n", "has not the form"},
		"not JSON":        {"x: a # {$imagepolicy: ns:app}\n", "is not JSON"},
		"text in a block": {"x: |\n  " + m + "\nimage: b\n", "no scalar"},
	} {
		t.Run(name, func(t *testing.T) {
			got, result, err := UpdateContent("f.yaml", []byte(c.in), images())
			if err != nil || string(got) != c.in {
				t.Fatalf("got %q, error %v", got, err)
			}
			if len(result.Skipped) != 1 || !strings.Contains(result.Skipped[0].String(), c.why) {
				t.Errorf("got %v, want %q", result.Skipped, c.why)
			}
		})
	}
}

func TestUnreadableContent(t *testing.T) {
	for name, in := range map[string]string{
		"syntax": "a: [ " + m + "\n", "not UTF-8": "a: \xff " + m + "\n", "UTF-16": "\xff\xfea\x00",
	} {
		got, _, err := UpdateContent("f.yaml", []byte(in), images())
		if !errors.Is(err, ErrYAML) || string(got) != in {
			t.Errorf("%s: got %q, error %v", name, got, err)
		}
	}
	bad := map[Policy]Image{{Namespace: "ns", Name: "app"}: {Name: "a", Tag: "1\n- evil"}}
	if _, _, err := UpdateContent("f.yaml", nil, bad); !errors.Is(err, ErrInvalid) {
		t.Errorf("got %v, want ErrInvalid", err)
	}
}

func TestUpdateFolder(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside.yaml")
	folder := t.TempDir()
	object := "apiVersion: v1\nkind: List\nitems:\n- apiVersion: apps/v1\n  kind: Deployment\n  metadata: {name: web, namespace: prod}\n" +
		"  spec:\n    containers:\n    - image: a:1 " + m + "\n"
	large := strings.Repeat("# a line of words\nkey: value\n---\n", 1_000) + "image: a:1 " + m + "\n"
	for name, content := range map[string]string{
		outside: object, filepath.Join(folder, "a.yaml"): object, filepath.Join(folder, "bad.yml"): "a: [ " + m,
		filepath.Join(folder, "large.yaml"): large, filepath.Join(folder, "notes.txt"): object,
	} {
		if err := os.WriteFile(name, []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, filepath.Join(folder, "link.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Dir(outside), filepath.Join(folder, "linked")); err != nil {
		t.Fatal(err)
	}
	result, err := Update(folder, Options{Images: images()})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, c := range result.Changes {
		lines = append(lines, c.String())
	}
	for _, s := range result.Skipped {
		lines = append(lines, s.File)
	}
	want := []string{
		"a.yaml:9: Deployment/prod/web spec.containers[0].image: a:1 -> ghcr.io/org/app:2.0.0 (ns:app)",
		"large.yaml:3001: image: a:1 -> ghcr.io/org/app:2.0.0 (ns:app)", "bad.yml", "link.yaml",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]string{
		outside: object, filepath.Join(folder, "a.yaml"): strings.Replace(object, "a:1", "ghcr.io/org/app:2.0.0", 1),
	} {
		got, err := os.ReadFile(name)
		if err != nil || string(got) != want {
			t.Errorf("%s: got %q, error %v", name, got, err)
		}
	}
	info, err := os.Stat(filepath.Join(folder, "a.yaml"))
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
}

func FuzzUpdateContent(f *testing.F) {
	f.Add([]byte("a: &x 'b' " + m + "\r\n\r\n---\n" + m + "\n- c\n"))
	f.Add([]byte("\xef\xbb\xbfa: |\n  " + m + "\nb: {c: \"d\\\"\", e: f} " + m))
	f.Fuzz(func(t *testing.T, content []byte) {
		got, result, err := UpdateContent("f.yaml", content, images())
		if err != nil {
			return
		}
		back, err := Undo(got, result.Changes)
		if err != nil || !bytes.Equal(back, content) {
			t.Errorf("undone: %q, error %v, want %q", back, err, content)
		}
	})
}
