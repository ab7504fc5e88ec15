package ssa

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func TestRewriteVersionsKeepsWhatTheObjectHas(t *testing.T) {
	const manifest = `
apiVersion: example.com/v1
metadata:
  managedFields:
  - {manager: a, operation: Apply, apiVersion: example.com/v1alpha1, fieldsType: FieldsV1, fieldsV1: {"f:spec": {".": {}, "f:old": {"f:x": {}}, "f:ports": {".": {}, 'k:{"port":80}': {".": {}, "f:name": {}, "f:weight": {}}, 'k:{"port":81}': {".": {}, "f:name": {}}}, "f:tags": {'v:"one"': {}, 'v:"two"': {}}}}}
  - {manager: b, operation: Update, apiVersion: example.com/v1alpha1, time: "2026-01-01T00:00:00Z", fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:size": {}}}}
  - {manager: b, operation: Update, apiVersion: example.com/v1, time: "2026-01-02T00:00:00Z", fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:mode": {}}}}
  - {manager: b, operation: Update, apiVersion: example.com/v1alpha1, subresource: status, fieldsType: FieldsV1, fieldsV1: {"f:status": {"f:phase": {}}}}
  - {manager: c, operation: Apply, apiVersion: example.com/v1alpha1, fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:old": {}}}}
  - {manager: d, operation: Apply, apiVersion: example.com/v1beta1, fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:old": {}}}}
spec: {ports: [{name: web, port: 80}], tags: [one], size: 1, mode: fast}
status: {phase: done}
`
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(manifest), &u.Object); err != nil {
		t.Fatal(err)
	}
	entries, changed, err := rewriteVersions(u, map[string]bool{"example.com/v1alpha1": true})
	if err != nil || !changed {
		t.Fatal(changed, err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Manager+" "+string(e.Operation)+" "+e.APIVersion+" "+e.Subresource+" "+e.FieldsV1.GetRawString())
	}
	want := []string{
		`a Apply example.com/v1  {"f:spec":{".":{},"f:ports":{".":{},"k:{\"port\":80}":{".":{},"f:name":{}}},"f:tags":{"v:\"one\"":{}}}}`,
		`b Update example.com/v1  {"f:spec":{"f:mode":{},"f:size":{}}}`,
		`b Update example.com/v1 status {"f:status":{"f:phase":{}}}`,
		`d Apply example.com/v1beta1  {"f:spec":{"f:old":{}}}`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if entries[1].Time.Day() != 2 {
		t.Errorf("time = %v, want that of the later one", entries[1].Time)
	}
}
