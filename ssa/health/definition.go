package health

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

// readDefinition takes a CustomResourceDefinition for ready when its kind is
// served. Names that another definition has already can't be waited for.
func readDefinition(obj *unstructured.Unstructured) Report {
	if status, reason, message := condition(obj, "NamesAccepted"); status == "False" {
		return Report{Failed, reasoned(reason, message)}
	}
	if status, _, message := condition(obj, "Terminating"); status == "True" {
		return Report{Terminating, message}
	}
	status, reason, message := condition(obj, "Established")
	if status == "True" {
		return Report{Status: Current}
	}
	return waiting(reason, message, "not established yet")
}
