package health

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// readStatefulSet waits for all pods to be ready and, as far as the rolling
// update's partition lets them, of the new revision. With the strategy
// OnDelete pods are replaced by hand, and their revision is not waited for.
func readStatefulSet(obj *unstructured.Unstructured) Report {
	if unseen(obj) {
		return Report{InProgress, notSeen}
	}
	want := number(obj, 1, "spec", "replicas")
	count := func(field string) int64 { return number(obj, 0, "status", field) }
	if n := count("readyReplicas"); n < want {
		return Report{InProgress, fmt.Sprintf("%d of %d pods are ready", n, want)}
	}
	if n := count("replicas"); n > want {
		return Report{InProgress, fmt.Sprintf("%d pods too many are still there", n-want)}
	}
	if text(obj, "spec", "updateStrategy", "type") == "OnDelete" {
		return Report{Status: Current}
	}
	updated := want - number(obj, 0, "spec", "updateStrategy", "rollingUpdate", "partition")
	if text(obj, "status", "currentRevision") != text(obj, "status", "updateRevision") && count("updatedReplicas") < updated {
		return Report{InProgress, fmt.Sprintf("%d of %d pods are of the new revision", count("updatedReplicas"), updated)}
	}
	return Report{Status: Current}
}
