package health

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

// readNamespace takes a namespace for ready when it is active.
func readNamespace(obj *unstructured.Unstructured) Report {
	if phase := text(obj, "status", "phase"); phase != "Active" {
		return Report{InProgress, "phase " + phase}
	}
	return Report{Status: Current}
}
