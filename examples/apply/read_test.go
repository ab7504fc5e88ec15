package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// write makes files below a new folder, and returns it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func config(name string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + "}\n"
}

func TestManifestsAreFoundWhereverTheyAre(t *testing.T) {
	dir := write(t, map[string]string{
		"deploy/a.yaml":                      config("a") + "---\n# nothing here\n---\n" + config("b"),
		"deploy/deep/c.json":                 `{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"}}]}`,
		"deploy/.git/no.yaml":                config("no"),
		"deploy/README.md":                   "not: a manifest",
		"deploy/overlay/kustomization.yaml":  "resources: [../../base]\nnamePrefix: prod-\n",
		"deploy/overlay/not-a-resource.yaml": config("no"),
		"base/kustomization.yaml":            "resources: [d.yaml]\n",
		"base/d.yaml":                        config("d"),
	})
	s, err := read(t.Context(), []string{filepath.Join(dir, "deploy"), "-"}, strings.NewReader(config("e")))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, u := range s.objects {
		got[u.GetName()] = strings.TrimPrefix(s.origin(u), dir+string(filepath.Separator))
	}
	want := map[string]string{
		"a": "deploy/a.yaml, document 1", "b": "deploy/a.yaml, document 3", "c": "deploy/deep/c.json, document 1",
		"prod-d": "deploy/overlay", "e": "standard input, document 1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestManifestsThatCantBeReadAreNamed(t *testing.T) {
	dir := write(t, map[string]string{
		"bad.yaml":                config("a") + "---\na: [\n",
		"over/kustomization.yaml": "resources: [missing.yaml]\n",
		"text.yaml":               "hello\n",
		"list.yaml":               "apiVersion: v1\nkind: List\nitems: [1]\n",
	})
	for file, want := range map[string]string{
		"bad.yaml":                "bad.yaml, document 2",
		"over":                    "missing.yaml",
		"over/kustomization.yaml": "give its folder, -f " + filepath.Join(dir, "over"),
		"list.yaml":               "list.yaml, document 1",
		"none":                    "no such file",
		"text.yaml":               "text.yaml, document 1: a manifest is a mapping with apiVersion and kind, and this is \"hello\"",
	} {
		_, err := read(t.Context(), []string{filepath.Join(dir, file)}, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, which does not say %q", file, err, want)
		}
	}
}
