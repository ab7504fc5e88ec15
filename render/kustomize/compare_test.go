package kustomize

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// commandBuild is what `kustomize build dir` does: the library with the
// command's options, on disk.
func commandBuild(dir string, r types.LoadRestrictions) (string, error) {
	acquire := schema.share                                                                                                           // each load of the schema takes a second under the race detector
	if text, err := os.ReadFile(filepath.Join(dir, "kustomization.yaml")); err == nil && strings.Contains(string(text), "openapi:") { //nolint:gosec // a test's own file
		acquire = schema.own
	}
	defer acquire()()
	m, err := krusty.MakeKustomizer(&krusty.Options{
		Reorder:          krusty.ReorderOptionUnspecified,
		LoadRestrictions: r,
		PluginConfig:     types.DisabledPluginConfig(),
	}).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return "", err
	}
	text, err := m.AsYaml()
	return string(text), err
}

// canonical writes each document of a YAML stream with sorted keys.
func canonical(t *testing.T, text string) string {
	t.Helper()
	var out []string
	for _, doc := range strings.Split(text, "\n---\n") {
		asJSON, err := yaml.YAMLToJSON([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		if string(asJSON) == "null" {
			continue
		}
		var v unstructured.Unstructured
		if err := v.UnmarshalJSON(asJSON); err != nil {
			t.Fatal(err)
		}
		data, err := yaml.Marshal(v.Object)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(data))
	}
	return strings.Join(out, "---\n")
}

func objectsText(t *testing.T, objects []*unstructured.Unstructured) string {
	t.Helper()
	var out []string
	for _, o := range objects {
		data, err := yaml.Marshal(o.Object)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(data))
	}
	return strings.Join(out, "---\n")
}

// writeFiles lays files out on disk; a value "-> target" is a symbolic link.
func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			err = os.Symlink(target, p)
		} else {
			err = os.WriteFile(p, []byte(content), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
