package ssa_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitopskit/gitopskit/ssa"
)

func secretWith(content map[string]any) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "s"}}}
	for k, v := range content {
		u.Object[k] = v
	}
	return u
}

func TestDiffMasksSecrets(t *testing.T) {
	t.Parallel()
	const applied = "kubectl.kubernetes.io/last-applied-configuration"
	cases := []struct {
		reason     string
		live, want map[string]any
		paths      []string
	}{
		{"a value of data", map[string]any{"data": map[string]any{"key": "hidden1"}}, map[string]any{"data": map[string]any{"key": "hidden2"}}, []string{"data.key"}},
		{"a key with dots", map[string]any{"data": map[string]any{"tls.key": "hidden1"}}, map[string]any{"data": map[string]any{"tls.key": "hidden2"}}, []string{"data[tls.key]"}},
		{"data that is added", nil, map[string]any{"data": map[string]any{".dockerconfigjson": "hidden2"}}, []string{"data"}},
		{"all of data", map[string]any{"data": "hidden1"}, map[string]any{}, []string{"data"}},
		{"stringData", map[string]any{}, map[string]any{"stringData": map[string]any{"a.b": "hidden1", "c": "hidden2"}}, []string{"stringData"}},
		{"a value that becomes a map", map[string]any{"data": map[string]any{"key": "hidden1"}}, map[string]any{"data": map[string]any{"key": map[string]any{"in.side": "hidden2"}}}, []string{"data.key"}},
		{"a map within data", map[string]any{"data": map[string]any{"key": map[string]any{"x": "hidden1"}}}, map[string]any{"data": map[string]any{"key": map[string]any{"x": "hidden2"}}}, []string{"data.key.x"}},
		{"data that becomes a list", map[string]any{"data": map[string]any{"key": "hidden1"}}, map[string]any{"data": []any{"hidden2"}}, []string{"data"}},
		{"a list within data", map[string]any{"data": []any{"hidden1"}}, map[string]any{"data": []any{"hidden2"}}, []string{"data[0]"}},
		{
			"what kubectl has applied last",
			map[string]any{"metadata": map[string]any{"name": "s", "annotations": map[string]any{applied: `{"data":{"key":"hidden1"}}`, "note": "x"}}},
			map[string]any{"metadata": map[string]any{"name": "s", "annotations": map[string]any{"note": "x"}}},
			[]string{"metadata.annotations[" + applied + "]"},
		},
	}
	for _, tc := range cases {
		t.Run(tc.reason, func(t *testing.T) {
			t.Parallel()
			var paths []string
			for _, c := range ssa.Diff(secretWith(tc.live), secretWith(tc.want)) {
				paths = append(paths, c.Path)
				if strings.Contains(c.String(), "hidden") {
					t.Errorf("shows a value: %s", c)
				}
			}
			if d := cmp.Diff(tc.paths, paths); d != "" {
				t.Error(d)
			}
		})
	}
}
