package helm

import (
	"fmt"
	"testing"
)

// BenchmarkTemplateAgain renders 200 templates with other values each time.
func BenchmarkTemplateAgain(b *testing.B) {
	files := map[string]string{"templates/_h.tpl": `{{ define "n" }}{{ .Release.Name | trunc 63 }}{{ end }}`, "values.yaml": "env: {a: '1', b: '2'}\nr: {limits: {cpu: 1}}\n"}
	for i := range 200 {
		files[fmt.Sprintf("templates/t%d.yaml", i)] = fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ include \"n\" . }}-%d\nspec:\n  containers:\n  - name: c\n    image: app:{{ .Values.tag }}\n    env:\n    {{- range $k, $v := .Values.env }}\n    - name: {{ $k | upper | quote }}\n      value: {{ $v | quote }}\n    {{- end }}\n    resources:\n      {{- toYaml .Values.r | nindent 6 }}\n", i)
	}
	c := chartOf(b, files)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		if _, err := Template(b.Context(), c, Options{ReleaseName: "rel", Values: map[string]any{"tag": fmt.Sprint("v", n)}}); err != nil {
			b.Fatal(err)
		}
	}
}
