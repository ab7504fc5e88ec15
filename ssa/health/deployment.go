package health

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// readDeployment waits for all pods to be of the new template and available,
// and takes a passed progress deadline for a failure. One that is paused is as
// its spec asks for.
func readDeployment(obj *unstructured.Unstructured) Report {
	if unseen(obj) {
		return Report{InProgress, notSeen}
	}
	if status, reason, message := condition(obj, "Progressing"); status == "False" && reason == "ProgressDeadlineExceeded" {
		return Report{Failed, message}
	}
	if status, reason, message := condition(obj, "ReplicaFailure"); status == "True" {
		return Report{InProgress, fmt.Sprintf("%s: %s", reason, message)}
	}
	if paused, _, _ := unstructured.NestedBool(obj.Object, "spec", "paused"); paused {
		return Report{Current, "paused"}
	}
	want := number(obj, 1, "spec", "replicas")
	count := func(field string) int64 { return number(obj, 0, "status", field) }
	switch {
	case count("updatedReplicas") < want:
		return Report{InProgress, fmt.Sprintf("%d of %d pods are of the new template", count("updatedReplicas"), want)}
	case count("replicas") > want:
		return Report{InProgress, fmt.Sprintf("%d old pods are still there", count("replicas")-want)}
	case count("availableReplicas") < want:
		return Report{InProgress, fmt.Sprintf("%d of %d pods are available", count("availableReplicas"), want)}
	}
	return Report{Status: Current}
}
