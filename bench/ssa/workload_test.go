package ssa

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// workload returns n objects of six kinds in the given namespaces. The objects
// whose index is below changed differ in content from those of another
// workload with changed = 0.
func workload(n int, namespaces []string, changed int) []*unstructured.Unstructured {
	out := make([]*unstructured.Unstructured, n)
	for i := range out {
		version := "1"
		if i < changed {
			version = "2"
		}
		u := &unstructured.Unstructured{Object: kinds[i%len(kinds)](version)}
		u.SetNamespace(namespaces[(i/len(kinds))%len(namespaces)])
		u.SetName(fmt.Sprintf("object-%d", i))
		u.SetLabels(map[string]string{"app": "bench", "version": version})
		out[i] = u
	}
	return out
}

type object = map[string]any

var kinds = []func(version string) object{
	func(v string) object {
		return object{"apiVersion": "v1", "kind": "ConfigMap", "data": object{"version": v, "color": "blue", "text": "some text that is a little longer"}}
	},
	func(v string) object {
		return object{"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": object{"version": map[string]string{"1": "MQ==", "2": "Mg=="}[v]}}
	},
	func(v string) object {
		return object{"apiVersion": "v1", "kind": "ServiceAccount", "automountServiceAccountToken": v == "2"}
	},
	func(v string) object {
		return object{"apiVersion": "v1", "kind": "Service", "spec": object{
			"selector": object{"app": "web", "version": v},
			"ports":    []any{object{"name": "http", "port": int64(80), "targetPort": int64(8080), "protocol": "TCP"}},
		}}
	},
	func(v string) object {
		return object{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "rules": []any{
			object{"apiGroups": []any{""}, "resources": []any{"configmaps"}, "verbs": []any{"get"}, "resourceNames": []any{"v" + v}},
		}}
	},
	func(v string) object {
		return object{"apiVersion": "apps/v1", "kind": "Deployment", "spec": object{
			"replicas": int64(0),
			"selector": object{"matchLabels": object{"app": "web"}},
			"template": object{
				"metadata": object{"labels": object{"app": "web"}},
				"spec": object{"containers": []any{object{
					"name": "web", "image": "web:" + v,
					"ports": []any{object{"containerPort": int64(8080), "protocol": "TCP"}},
					"env":   []any{object{"name": "VERSION", "value": v}},
					"resources": object{
						"requests": object{"cpu": "100m", "memory": "64Mi"},
						"limits":   object{"memory": "128Mi"},
					},
				}}},
			},
		}}
	},
}

func TestWorkloadChangesAsManyObjectsAsItSays(t *testing.T) {
	a, b := workload(60, []string{"x"}, 0), workload(60, []string{"x"}, 30)
	for i := range a {
		same := a[i].GetLabels()["version"] == b[i].GetLabels()["version"]
		if same != (i >= 30) {
			t.Errorf("object %d", i)
		}
	}
}
