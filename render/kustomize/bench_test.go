package kustomize

import (
	"fmt"
	"testing"

	"github.com/gitopskit/gitopskit/render/envsubst"
)

// BenchmarkBuild builds a small overlay.
func BenchmarkBuild(b *testing.B) {
	files := memory(map[string]string{
		"base/kustomization.yaml": "resources: [web.yaml]", "base/web.yaml": web,
		"prod/kustomization.yaml": "resources: [../base]\nnamespace: ns\nnamePrefix: p-\nimages:\n- name: side\n  newTag: '2'\nconfigMapGenerator:\n- name: c\n  literals: [a=b]\n",
	})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Build(b.Context(), files, "prod", Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBuildAndSubstitute builds 300 objects with variables.
func BenchmarkBuildAndSubstitute(b *testing.B) {
	files := map[string]string{}
	for i := range 300 {
		files[fmt.Sprintf("f%d.yaml", i)] = fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c%d, labels: {a: \"${v}\"}}\ndata: {a: \"x-${v}\", b: plain, c: \"${n}\"}\n", i)
	}
	fsys := memory(files)
	o := Options{Substitute: envsubst.Substitution{Variables: map[string]string{"v": "value", "n": "3"}}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Build(b.Context(), fsys, ".", o); err != nil {
			b.Fatal(err)
		}
	}
}
