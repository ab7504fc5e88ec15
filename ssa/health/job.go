package health

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// readJob takes a Job for ready when it is complete. One that has merely
// started is in progress, and a suspended one is what its spec asks for.
func readJob(obj *unstructured.Unstructured) Report {
	if status, _, message := condition(obj, "Failed"); status == "True" {
		return Report{Failed, message}
	}
	if status, _, _ := condition(obj, "Complete"); status == "True" {
		return Report{Status: Current}
	}
	if suspended, _, _ := unstructured.NestedBool(obj.Object, "spec", "suspend"); suspended {
		return Report{Current, "suspended"}
	}
	return Report{InProgress, fmt.Sprintf("%d of %d pods have succeeded",
		number(obj, 0, "status", "succeeded"), number(obj, 1, "spec", "completions"))}
}

// goneWhenDone reports whether a Job is deleted by the cluster itself some time
// after it has finished, so that its absence is no failure.
func goneWhenDone(obj *unstructured.Unstructured) bool {
	_, ok, _ := unstructured.NestedInt64(obj.Object, "spec", "ttlSecondsAfterFinished")
	return ok
}
