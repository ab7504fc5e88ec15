package health

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

// readAPIService takes an APIService for ready when the API server can reach
// what serves it.
func readAPIService(obj *unstructured.Unstructured) Report {
	status, reason, message := condition(obj, "Available")
	if status == "True" {
		return Report{Status: Current}
	}
	return waiting(reason, message, "the API server has not looked for it yet")
}
