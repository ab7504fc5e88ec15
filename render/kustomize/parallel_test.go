package kustomize

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const ownSchema = `{"definitions": {"v1.Thing": {
  "properties": {
    "spec": {"$ref": "#/definitions/v1.Spec"}, "metadata": {"type": "object"},
    "apiVersion": {"type": "string"}, "kind": {"type": "string"}},
  "type": "object",
  "x-kubernetes-group-version-kind": [{"group": "example.com", "kind": "Thing", "version": "v1"}]},
 "v1.Spec": {"type": "object", "properties": {
    "parts": {"type": "array", "items": {"type": "object", "properties": {"id": {"type": "string"}, "v": {"type": "string"}}},
      "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "id"}}}}}`

// things patches a custom kind whose list merges by key only with a schema.
func things(openapi string) map[string]string {
	return map[string]string{
		"kustomization.yaml": "resources: [thing.yaml]\n" + openapi + `patches:
- patch: |
    apiVersion: example.com/v1
    kind: Thing
    metadata: {name: t}
    spec: {parts: [{id: b, v: new}]}
`,
		"thing.yaml":  "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: t}\nspec: {parts: [{id: a, v: old}, {id: b, v: old}]}\n",
		"schema.json": ownSchema,
	}
}

func partsOf(t *testing.T, files map[string]string) int {
	t.Helper()
	got, err := Build(t.Context(), memory(files), "", Options{})
	if err != nil || len(got) != 1 {
		t.Errorf("%d objects, %v", len(got), err)
		return 0
	}
	parts, _, _ := unstructured.NestedSlice(got[0].Object, "spec", "parts")
	return len(parts)
}

// TestAnOwnSchemaDoesNotLeak: with the schema the patch merges into a list of
// two, without it replaces the list by one.
func TestAnOwnSchemaDoesNotLeak(t *testing.T) {
	for i, want := range []int{1, 2, 1, 2, 1} {
		openapi := ""
		if want == 2 {
			openapi = "openapi: {path: schema.json}\n"
		}
		if got := partsOf(t, things(openapi)); got != want {
			t.Fatalf("build %d: %d parts, want %d", i, got, want)
		}
	}
}

// TestAnOwnSchemaInABaseDoesNotLeak has the schema one level down.
func TestAnOwnSchemaInABaseDoesNotLeak(t *testing.T) {
	files := map[string]string{"app/kustomization.yaml": "resources: [../base]\n"}
	for name, content := range things("openapi: {path: schema.json}\n") {
		files["base/"+name] = content
	}
	if got, err := Build(t.Context(), memory(files), "app", Options{}); err != nil || len(got) != 1 {
		t.Fatalf("%d objects, %v", len(got), err)
	}
	if got := partsOf(t, things("")); got != 1 {
		t.Fatalf("%d parts, want 1: the schema leaked", got)
	}
}

func TestABrokenSchemaIsAnErrorAndDoesNotLeak(t *testing.T) {
	files := things("openapi: {path: schema.json}\n")
	files["schema.json"] = "{\"definitions\": ["
	if got, err := Build(t.Context(), memory(files), "", Options{}); err == nil {
		t.Fatalf("%d objects", len(got))
	}
	if got := partsOf(t, things("")); got != 1 {
		t.Fatalf("%d parts, want 1", got)
	}
}

// TestParallelBuilds mixes builds with and without a schema of their own; the
// race detector watches.
func TestParallelBuilds(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			if i%10 == 0 {
				if got := partsOf(t, things("openapi: {path: schema.json}\n")); got != 2 {
					t.Errorf("own schema: %d parts, want 2", got)
				}
				return
			}
			name := fmt.Sprintf("n%d", i)
			got, err := Build(t.Context(), memory(map[string]string{
				"kustomization.yaml": "resources: [web.yaml]\nnamePrefix: " + name + "-\nlabels:\n- pairs: {team: " + name + "}\n  includeSelectors: true\npatches:\n- patch: |\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata: {name: web}\n    spec: {template: {spec: {containers: [{name: side, image: new}]}}}\n",
				"web.yaml":           web,
			}), "", Options{})
			if err != nil {
				t.Error(err)
				return
			}
			text := objectsText(t, got)
			if got[0].GetName() != name+"-web" || strings.Count(text, "image:") != 2 || !strings.Contains(text, "image: new") {
				t.Errorf("got\n%s", text)
			}
		})
	}
	wg.Wait()
}
