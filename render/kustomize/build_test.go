package kustomize

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

const configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k: v\n"

func memory(files map[string]string) fstest.MapFS {
	out := fstest.MapFS{}
	for name, content := range files {
		out[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return out
}

// bomb expands to 10^9 nodes.
func bomb(indent string) string {
	var b strings.Builder
	b.WriteString(indent + "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := range 9 {
		n, next := string(rune('0'+i)), string(rune('1'+i))
		b.WriteString(indent + "a" + next + ": &a" + next + " [" + strings.TrimSuffix(strings.Repeat("*a"+n+", ", 10), ", ") + "]\n")
	}
	return b.String()
}

func TestBuildErrors(t *testing.T) {
	k := func(text string) map[string]string {
		return map[string]string{"app/kustomization.yaml": text, "app/a.yaml": configMap}
	}
	with := func(m map[string]string, more ...string) map[string]string {
		for i := 0; i < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return m
	}
	for name, tc := range map[string]struct {
		files map[string]string
		dir   string
		o     Options
		is    error
		file  string
		line  int
		field string
		chain []string
	}{
		"a folder that is not there":   {files: k("resources: [a.yaml]"), dir: "none", is: ErrNotFound},
		"a path that leaves":           {files: k("resources: [a.yaml]"), dir: "../x", is: ErrOutside},
		"a path that leaves from deep": {files: k("resources: [a.yaml]"), dir: "app/../../x", is: ErrOutside},
		"a file instead of a folder":   {files: k("resources: [a.yaml]"), dir: "app/a.yaml", is: ErrNotFound},
		"YAML syntax in the kustomization": {
			files: k("resources:\n- a.yaml\n\t- b\n"), is: ErrInvalid, file: "app/kustomization.yaml", line: 3,
		},
		"an unknown field": {
			files: k("resources:\n- a.yaml\nresource: [b]\n"), is: ErrInvalid, file: "app/kustomization.yaml", line: 3, field: "resource",
		},
		"a field of another type": {
			files: k("# c\nresources: a.yaml\n"), is: ErrInvalid, file: "app/kustomization.yaml", line: 2, field: "resources",
		},
		"two kustomizations in a folder": {
			files: with(k("resources: [a.yaml]"), "app/kustomization.yml", "resources: [a.yaml]"), is: ErrInvalid,
		},
		"a resource that is not there": {
			files: k("resources:\n- a.yaml\n- b.yaml\n"), is: ErrNotFound, file: "app/kustomization.yaml", line: 3, field: "resources[1]",
		},
		"a base that is not there": {
			files: k("resources:\n- ../base\n"), is: ErrNotFound, file: "app/kustomization.yaml", line: 2, field: "resources[0]",
		},
		"a base without kustomization": {
			files: with(k("resources:\n- ../base\n"), "base/x.yaml", configMap), is: ErrNotFound, chain: []string{"app", "base"},
		},
		"a resource outside": {
			files: k("resources:\n- ../../a.yaml\n"), is: ErrOutside, file: "app/kustomization.yaml", line: 2, field: "resources[0]",
		},
		"an absolute resource": {
			files: k("resources:\n- /etc/passwd\n"), is: ErrOutside, file: "app/kustomization.yaml", line: 2, field: "resources[0]",
		},
		"data outside": {
			files: k("configMapGenerator:\n- name: x\n  files:\n  - p=../../../etc/passwd\n"), is: ErrOutside, file: "app/kustomization.yaml", line: 4, field: "configMapGenerator[0].files[0]",
		},
		"YAML syntax in a resource": {
			files: with(k("resources: [a.yaml, b.yaml]"), "app/b.yaml", "apiVersion: v1\nkind: [\n"), is: ErrInvalid, file: "app/b.yaml", line: 2, chain: []string{"app"},
		},
		"YAML syntax in a base's resource": {
			files: with(k("resources: [../base]"), "base/kustomization.yaml", "resources: [b.yaml]", "base/b.yaml", "a: b: c\n"),
			is:    ErrInvalid, file: "base/b.yaml", line: 1, chain: []string{"app", "base"},
		},
		"a resource without name": {
			files: with(k("resources: [b.yaml]"), "app/b.yaml", configMap+"---\n# second\napiVersion: v1\nkind: ConfigMap\n"), is: ErrInvalid, file: "app/b.yaml", line: 9, field: "metadata.name",
		},
		"a resource without kind": {
			files: with(k("resources: [b.yaml]"), "app/b.yaml", "apiVersion: v1\nmetadata: {name: a}\n"), is: ErrInvalid, file: "app/b.yaml", line: 1, field: "kind",
		},
		"a file that is no object, without kustomization": {
			files: map[string]string{"app/a.yaml": configMap, "app/.sops.yaml": "creation_rules: []\n"}, is: ErrInvalid, file: "app/.sops.yaml",
		},
		"the same object twice": {
			files: with(k("resources: [a.yaml, b.yaml]"), "app/b.yaml", configMap), is: ErrInvalid, file: "app/b.yaml",
		},
		"a patch without target": {
			files: k("resources: [a.yaml]\npatches:\n- patch: |\n    apiVersion: v1\n    kind: ConfigMap\n    metadata: {name: other}\n"), is: ErrInvalid, file: "app",
		},
		"a patch file that is not there": {
			files: k("resources: [a.yaml]\npatches:\n- path: p.yaml\n"), is: ErrNotFound, file: "app/kustomization.yaml", line: 3, field: "patches[0].path",
		},
		"a folder that includes itself": {
			files: k("resources: [../app]"), is: ErrCycle, file: "app/kustomization.yaml", line: 1, field: "resources[0]",
		},
		"a folder that includes its parent": {
			files: map[string]string{"kustomization.yaml": "resources: [app]", "app/kustomization.yaml": "resources: [..]"}, dir: ".", is: ErrCycle,
			chain: []string{".", "app"},
		},
		"bases in a ring": {
			files: map[string]string{
				"app/kustomization.yaml": "resources: [../b]", "b/kustomization.yaml": "resources: [../c]", "c/kustomization.yaml": "resources:\n- ../b",
			}, is: ErrCycle, file: "c/kustomization.yaml", line: 2, chain: []string{"app", "b", "c"},
		},
		"a remote file": {
			files: k("resources:\n- https://example.invalid/a.yaml\n"), is: ErrRemote, file: "app/kustomization.yaml", line: 2, field: "resources[0]",
		},
		"a remote base":        {files: k("resources:\n- github.com/org/repo//x?ref=v1\n"), is: ErrRemote},
		"a remote base by ssh": {files: k("resources:\n- git@example.invalid:org/repo\n"), is: ErrRemote},
		"a remote component":   {files: k("components:\n- ssh://git@example.invalid/org/repo\n"), is: ErrRemote},
		"a remote patch":       {files: k("resources: [a.yaml]\npatches:\n- path: http:example.invalid/p\n"), is: ErrRemote},
		"a remote data file":   {files: k("configMapGenerator:\n- name: x\n  files: [k=HTTPS://example.invalid/p]\n"), is: ErrRemote},
		"a remote file in an inline transformer": {
			files: k("resources: [a.yaml]\ntransformers:\n- |-\n  apiVersion: builtin\n  kind: PatchTransformer\n  metadata: {name: x}\n  path: https://example.invalid/p\n"), is: ErrRemote, field: "transformers[0]", file: "app/kustomization.yaml", line: 3,
		},
		"a remote file in a transformer's file": {
			files: with(k("resources: [a.yaml]\ntransformers: [t.yaml]\n"), "app/t.yaml", "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: x}\npath: https://example.invalid/p\n"), is: ErrRemote,
		},
		"a remote file in a transformer that is itself built": {
			files: with(k("resources: [a.yaml]\ntransformers: [../t]\n"),
				"t/kustomization.yaml", "resources: [t.yaml]\npatches:\n- target: {kind: PatchTransformer}\n  patch: '[{\"op\": \"add\", \"path\": \"/path\", \"value\": \"https://example.invalid/p\"}]'\n",
				"t/t.yaml", "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: x}\n"), is: ErrRemote,
		},
		"Helm inflation": {
			files: k("helmCharts:\n- name: x\n"), is: ErrUnsupported, file: "app/kustomization.yaml", line: 1, field: "helmCharts",
		},
		"a plugin that runs a program": {
			files: with(k("resources: [a.yaml]\ntransformers: [t.yaml]\n"), "app/t.yaml", "apiVersion: example.com/v1\nkind: Exec\nmetadata: {name: x, annotations: {config.kubernetes.io/function: \"{exec: {path: /bin/true}}\"}}\n"), is: ErrInvalid,
		},
		"aliases that multiply":             {files: k("resources: [b.yaml]"), is: ErrLimit, file: "app/b.yaml"},
		"aliases that multiply in a patch":  {files: k("resources: [a.yaml]\npatches:\n- patch: |\n" + bomb("    ")), is: ErrLimit, file: "app/kustomization.yaml", field: "patches[0].patch", line: 3},
		"an alias that contains itself":     {files: with(k("resources: [b.yaml]"), "app/b.yaml", "a: &a [*a]\n"), is: ErrInvalid, file: "app/b.yaml", line: 1},
		"aliases that multiply at the root": {files: k(bomb("")), is: ErrLimit, file: "app/kustomization.yaml"},
		"a file that is too large":          {files: k("resources: [a.yaml]"), o: Options{Limits: Limits{FileSize: 40}}, is: ErrLimit, file: "app/a.yaml"},
		"too much in all":                   {files: k("resources: [a.yaml]"), o: Options{Limits: Limits{TotalSize: 60}}, is: ErrLimit, file: "app/a.yaml"},
		"too deep": {files: map[string]string{
			"app/kustomization.yaml": "resources: [../b]", "b/kustomization.yaml": "resources: [../c]", "c/kustomization.yaml": "resources: [../d]", "d/kustomization.yaml": "resources: [a.yaml]",
		}, o: Options{Limits: Limits{Depth: 3}}, is: ErrLimit, chain: []string{"app", "b", "c", "d"}},
		"a component that is not there": {files: k("resources: [a.yaml]"), o: Options{Components: []string{"../c"}}, is: ErrNotFound, field: "Options.Components[0]"},
		"a component that is remote":    {files: k("resources: [a.yaml]"), o: Options{Components: []string{"https://example.invalid/c"}}, is: ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			if strings.HasPrefix(name, "aliases that multiply") && len(tc.files) == 2 {
				tc.files["app/b.yaml"] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n" + bomb("")
			}
			if tc.dir == "" {
				tc.dir = "app"
			}
			got, err := Build(t.Context(), memory(tc.files), tc.dir, tc.o)
			if !errors.Is(err, tc.is) || got != nil {
				t.Fatalf("%d objects, error %v; want %v", len(got), err, tc.is)
			}
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("not an *Error: %v", err)
			}
			if tc.file != "" && e.File != tc.file || tc.line != 0 && e.Line != tc.line || tc.field != "" && e.Field != tc.field {
				t.Errorf("place %s:%d %s, want %s:%d %s\n%v", e.File, e.Line, e.Field, tc.file, tc.line, tc.field, err)
			}
			if diff := cmp.Diff(tc.chain, e.Chain); tc.chain != nil && diff != "" {
				t.Error(diff)
			}
			if strings.Contains(err.Error(), artifactRoot) || strings.Contains(err.Error(), "accumulation err") {
				t.Errorf("the message shows inner works: %v", err)
			}
		})
	}
}

// TestComponentsThatMultiply has 2^40 paths through 40 small files.
func TestComponentsThatMultiply(t *testing.T) {
	files := map[string]string{"app/kustomization.yaml": "components: [../c0]"}
	for i := range 40 {
		n, next := fmt.Sprintf("c%d", i), fmt.Sprintf("c%d", i+1)
		files[n+"/kustomization.yaml"] = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\ncomponents: [../" + next + ", ../x" + next + "]\n"
		files["x"+next+"/kustomization.yaml"] = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\ncomponents: [../" + next + "]\n"
	}
	files["c40/kustomization.yaml"] = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnamePrefix: x-\n"
	if _, err := Build(t.Context(), memory(files), "app", Options{}); !errors.Is(err, ErrLimit) {
		t.Fatalf("got %v", err)
	}
}

func TestSymbolicLinks(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"inside/kustomization.yaml":   "resources: [a.yaml, sub/a.yaml]",
		"inside/a.yaml":               "-> ../real/a.yaml",
		"inside/sub":                  "-> ../real/other",
		"real/a.yaml":                 configMap,
		"real/other/a.yaml":           strings.Replace(configMap, "name: a", "name: b", 1),
		"linked":                      "-> inside",
		"outside/kustomization.yaml":  "resources:\n- a.yaml",
		"outside/a.yaml":              "-> ../../../etc/passwd",
		"absolute/kustomization.yaml": "resources:\n- a.yaml",
		"absolute/a.yaml":             "-> /etc/passwd",
		"loop/kustomization.yaml":     "resources:\n- a.yaml",
		"loop/a.yaml":                 "-> b.yaml",
		"loop/b.yaml":                 "-> a.yaml",
		"plain/a.yaml":                "-> ../real/a.yaml",
		"plain/b.yaml":                "-> ../../etc/passwd",
		"data/kustomization.yaml":     "configMapGenerator:\n- name: x\n  files: [p]",
		"data/p":                      "-> /etc/passwd",
	})
	fsys := os.DirFS(dir)
	for _, p := range []string{"inside", "linked"} {
		got, err := Build(t.Context(), fsys, p, Options{})
		if err != nil || len(got) != 2 {
			t.Errorf("%s: %d objects, %v", p, len(got), err)
		}
	}
	for p, want := range map[string]error{
		"outside": ErrOutside, "absolute": ErrOutside, "plain": ErrOutside, "data": ErrOutside, "loop": ErrLimit,
	} {
		if got, err := Build(t.Context(), fsys, p, Options{}); !errors.Is(err, want) {
			t.Errorf("%s: %d objects, %v; want %v", p, len(got), err, want)
		}
	}
}

func TestWithoutKustomization(t *testing.T) {
	other := func(name string) string { return strings.Replace(configMap, "name: a", "name: "+name, 1) }
	got, err := Build(t.Context(), memory(map[string]string{
		"app/a.yaml":                    configMap,
		"app/.hidden.yml":               other("hidden"),
		"app/sub/b.yaml":                other("b"),
		"app/README.md":                 "not YAML: [",
		"app/own/kustomization.yaml":    "namePrefix: own-\nresources: [c.yaml]",
		"app/own/c.yaml":                other("c"),
		"app/own/not-listed.yaml":       "no object",
		"app/own/deeper/not-either.yml": "no object",
		"elsewhere/x.yaml":              "no object",
	}), "./app/", Options{TargetNamespace: "ns"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, o := range got {
		names = append(names, o.GetNamespace()+"/"+o.GetName())
	}
	if diff := cmp.Diff([]string{"ns/hidden", "ns/a", "ns/own-c", "ns/b"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestNothingToBuild(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"an empty folder":           {"app/README.md": "x"},
		"only comments":             {"app/a.yaml": "# nothing\n---\n"},
		"an empty kustomization":    {"app/kustomization.yaml": ""},
		"a kustomization of a kind": {"app/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"},
		"an empty list":             {"app/kustomization.yaml": "resources: []\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Build(t.Context(), memory(files), "app", Options{NamePrefix: "x-"})
			if err != nil || len(got) != 0 {
				t.Errorf("%d objects, %v", len(got), err)
			}
			if got, err = Build(t.Context(), memory(files), "app", Options{}); err != nil || len(got) != 0 {
				t.Errorf("without options: %d objects, %v", len(got), err)
			}
		})
	}
}

func TestContextEndsTheBuild(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Build(ctx, memory(map[string]string{"a.yaml": configMap}), "", Options{})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
}

func TestRemoteByPolicy(t *testing.T) {
	files := memory(map[string]string{
		"app/kustomization.yaml":  "resources:\n- https://example.invalid/org/repo//deploy?ref=v1\nnamePrefix: x-\nconfigMapGenerator:\n- name: g\n  files: [https://example.invalid/conf]\n",
		"evil/kustomization.yaml": "resources:\n- https://example.invalid/evil\n",
		"secret.yaml":             configMap,
	})
	var asked []string
	remote := RemoteFunc(func(_ context.Context, ref string) (fs.FS, string, error) {
		asked = append(asked, ref)
		switch ref {
		case "https://example.invalid/conf":
			return memory(map[string]string{"conf": "content"}), "conf", nil
		case "https://example.invalid/evil":
			return memory(map[string]string{"kustomization.yaml": "resources: [../../artifact/secret.yaml]"}), ".", nil
		}
		return memory(map[string]string{
			"deploy/kustomization.yaml": "resources: [../base]", "base/kustomization.yaml": "resources: [a.yaml]", "base/a.yaml": configMap,
		}), "deploy", nil
	})
	got, err := Build(t.Context(), files, "app", Options{Remote: remote})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].GetName() != "x-a" || got[1].Object["data"].(map[string]any)["conf"] != "content" {
		t.Errorf("got %v", objectsText(t, got))
	}
	if len(asked) != 2 {
		t.Errorf("asked for %v", asked)
	}
	if _, err := Build(t.Context(), files, "evil", Options{Remote: remote}); !errors.Is(err, ErrOutside) {
		t.Errorf("what was fetched read the artifact: %v", err)
	}
}
