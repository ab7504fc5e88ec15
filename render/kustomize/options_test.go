package kustomize

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitopskit/gitopskit/render/envsubst"
)

const web = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  template:
    spec:
      containers:
      - name: app
        image: ghcr.io/org/app:1.0@sha256:0123
      - name: side
        image: side:1
`

// TestOptions checks each option against the kustomization that says the same.
func TestOptions(t *testing.T) {
	root := "resources: [web.yaml]\nimages:\n- name: side\n  newTag: '2'\n  newName: other\n"
	for name, tc := range map[string]struct {
		o    Options
		same string
	}{
		"target namespace":  {Options{TargetNamespace: "ns"}, root + "namespace: ns\n"},
		"prefix and suffix": {Options{NamePrefix: "a-", NameSuffix: "-b"}, root + "namePrefix: a-\nnameSuffix: -b\n"},
		"strategic merge patch": {
			Options{Patches: []Patch{{Patch: "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 3}"}}},
			root + "patches:\n- patch: |\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata: {name: web}\n    spec: {replicas: 3}\n",
		},
		"JSON patch with a target": {
			Options{Patches: []Patch{{Patch: "- op: add\n  path: /spec/replicas\n  value: 3", Target: &Selector{Kind: "Deployment", Name: "w.*", LabelSelector: "!x"}}}},
			root + "patches:\n- target: {kind: Deployment, name: w.*, labelSelector: '!x'}\n  patch: |\n    - op: add\n      path: /spec/replicas\n      value: 3\n",
		},
		"older strategic merge patch": {
			Options{PatchesStrategicMerge: []string{`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"replicas":3}}`}},
			root + "patchesStrategicMerge:\n- |\n  apiVersion: apps/v1\n  kind: Deployment\n  metadata: {name: web}\n  spec: {replicas: 3}\n",
		},
		"older JSON patch": {
			Options{PatchesJSON6902: []Patch{{Patch: `[{"op":"add","path":"/spec/replicas","value":3}]`, Target: &Selector{Group: "apps", Version: "v1", Kind: "Deployment", Name: "web"}}}},
			root + "patchesJson6902:\n- target: {group: apps, version: v1, kind: Deployment, name: web}\n  patch: '[{\"op\": \"add\", \"path\": \"/spec/replicas\", \"value\": 3}]'\n",
		},
		"image name alone keeps the tag": {
			Options{Images: []Image{{Name: "side", NewName: "third"}}},
			"resources: [web.yaml]\nimages:\n- name: side\n  newTag: '2'\n  newName: third\n",
		},
		"image tag": {
			Options{Images: []Image{{Name: "side", NewTag: "3"}, {Name: "ghcr.io/org/app", NewTag: "2.0"}}},
			"resources: [web.yaml]\nimages:\n- name: side\n  newTag: '3'\n  newName: other\n- name: ghcr.io/org/app\n  newTag: '2.0'\n",
		},
		"image digest clears the tag": {
			Options{Images: []Image{{Name: "side", Digest: "sha256:ab"}}},
			"resources: [web.yaml]\nimages:\n- name: side\n  digest: sha256:ab\n  newName: other\n",
		},
		"components": {Options{Components: []string{"../component"}}, root + "components: [../component]\n"},
		"missing components": {
			Options{Components: []string{"../component", "../none"}, IgnoreMissingComponents: true}, root + "components: [../component]\n",
		},
		"build metadata": {Options{BuildMetadata: []string{"originAnnotations", "managedByLabel"}}, root + "buildMetadata: [originAnnotations, managedByLabel]\n"},
	} {
		t.Run(name, func(t *testing.T) {
			build := func(k string, o Options) string {
				files := memory(map[string]string{
					"app/kustomization.yaml": k, "app/web.yaml": web,
					"component/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnameSuffix: -c\n",
				})
				got, err := Build(t.Context(), files, "app", o)
				if err != nil {
					t.Fatal(err)
				}
				return objectsText(t, got)
			}
			got := build(root, tc.o)
			if diff := cmp.Diff(build(tc.same, Options{}), got); diff != "" {
				t.Error(diff)
			}
			if got == build(root, Options{}) {
				t.Error("the option changed nothing")
			}
		})
	}
}

func TestANewTagClearsTheDigestOfTheManifest(t *testing.T) {
	files := memory(map[string]string{"web.yaml": web})
	got, err := Build(t.Context(), files, "", Options{Images: []Image{{Name: "ghcr.io/org/app", NewTag: "2.0"}}})
	if err != nil || !strings.Contains(objectsText(t, got), "image: ghcr.io/org/app:2.0\n") {
		t.Fatalf("%v\n%s", err, objectsText(t, got))
	}
}

// rot13 "decrypts" what starts with "rot13:".
type rot13 struct{}

var errNoKey = errors.New("no key")

func (rot13) DecryptFile(_ context.Context, path string, data []byte) ([]byte, error) {
	if strings.Contains(path, "locked") {
		return nil, errNoKey
	}
	if rest, ok := bytes.CutPrefix(data, []byte("rot13:")); ok {
		return bytes.Map(turn, rest), nil
	}
	return data, nil
}

func (rot13) DecryptObject(_ context.Context, obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	v, _, _ := unstructured.NestedString(obj.Object, "stringData", "k")
	switch {
	case v == "locked":
		return nil, errNoKey
	case v == "":
		return obj, nil
	}
	out := obj.DeepCopy()
	return out, unstructured.SetNestedField(out.Object, strings.Map(turn, v), "stringData", "k")
}

func turn(r rune) rune {
	if 'a' <= r && r <= 'z' {
		return 'a' + (r-'a'+13)%26
	}
	return r
}

type printed struct{ rot13 }

func (printed) Fingerprint() string { return "rot13" }

func TestDecrypter(t *testing.T) {
	files := map[string]string{
		"app/kustomization.yaml":  "resources: [../base]\npatches:\n- path: p.yaml\n",
		"app/p.yaml":              "rot13:" + strings.Map(turn, "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {p: patched}\n"),
		"base/kustomization.yaml": "resources: [s.yaml]\nsecretGenerator:\n- name: g\n  files: [f]\n  envs: [e.env]\nconfigMapGenerator:\n- name: c\n  files: [c]\ngeneratorOptions: {disableNameSuffixHash: true}\n",
		"base/s.yaml":             "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {k: '" + strings.Map(turn, "${v}") + "'}\n",
		"base/f":                  "rot13:" + strings.Map(turn, "file"),
		"base/e.env":              "rot13:" + strings.Map(turn, "k=env"),
		"base/c":                  "rot13:untouched",
	}
	o := Options{Decrypter: rot13{}, Substitute: envsubst.Substitution{Variables: map[string]string{"v": "value"}}}
	got, err := Build(t.Context(), memory(files), "app", o)
	if err != nil {
		t.Fatal(err)
	}
	want := `apiVersion: v1
kind: Secret
metadata:
  name: s
stringData:
  k: value
  p: patched
---
apiVersion: v1
data:
  c: rot13:untouched
kind: ConfigMap
metadata:
  name: c
---
apiVersion: v1
data:
  f: ZmlsZQ==
  k: ZW52
kind: Secret
metadata:
  name: g
type: Opaque
`
	if diff := cmp.Diff(want, objectsText(t, got)); diff != "" {
		t.Error(diff)
	}
}

func TestDecrypterErrors(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"a file":    {"kustomization.yaml": "secretGenerator:\n- name: g\n  files: [locked]\n", "locked": "x"},
		"an object": {"a.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: n}\nstringData: {k: locked}\n"},
	} {
		_, err := Build(t.Context(), memory(files), "", Options{Decrypter: rot13{}})
		if !errors.Is(err, ErrDecrypt) || !errors.Is(err, errNoKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCommonMetadataComesLastAndOnTopOnly(t *testing.T) {
	got, err := Build(t.Context(), memory(map[string]string{"web.yaml": strings.Replace(web, "name: web\n", "name: web\n  labels: {a: '1', b: '2'}\n", 1)}), "", Options{
		CommonLabels: map[string]string{"a": "${x}"}, CommonAnnotations: map[string]string{"n": "y"},
		Substitute: envsubst.Substitution{Always: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"a": "${x}", "b": "2"}, got[0].GetLabels()); diff != "" {
		t.Error(diff)
	}
	if _, found, _ := unstructured.NestedMap(got[0].Object, "spec", "template", "metadata"); found {
		t.Error("the template has metadata")
	}
}

func TestSubstitutionErrorsNameTheObject(t *testing.T) {
	_, err := Build(t.Context(), memory(map[string]string{"a.yaml": strings.Replace(configMap, "k: v", "k: ${none}", 1)}), "", Options{
		Substitute: envsubst.Substitution{Always: true},
	})
	var e *envsubst.Error
	if !errors.Is(err, envsubst.ErrUndefined) || !errors.As(err, &e) || e.Ref != "ConfigMap a" || e.Field != "data.k" {
		t.Fatalf("got %v", err)
	}
}
