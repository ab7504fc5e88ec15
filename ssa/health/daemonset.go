package health

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// readDaemonSet waits for a pod on every node that is meant, of the new template
// and available. With the strategy OnDelete pods are replaced by hand, and
// their template is not waited for.
func readDaemonSet(obj *unstructured.Unstructured) Report {
	if unseen(obj) {
		return Report{InProgress, notSeen}
	}
	want, there, _ := unstructured.NestedInt64(obj.Object, "status", "desiredNumberScheduled")
	count := func(field string) int64 { return number(obj, 0, "status", field) }
	onDelete := text(obj, "spec", "updateStrategy", "type") == "OnDelete"
	switch {
	case !there:
		return Report{InProgress, notSeen}
	case count("currentNumberScheduled") < want:
		return Report{InProgress, fmt.Sprintf("%d of %d nodes have a pod", count("currentNumberScheduled"), want)}
	case !onDelete && count("updatedNumberScheduled") < want:
		return Report{InProgress, fmt.Sprintf("%d of %d pods are of the new template", count("updatedNumberScheduled"), want)}
	case count("numberAvailable") < want:
		return Report{InProgress, fmt.Sprintf("%d of %d pods are available", count("numberAvailable"), want)}
	case count("numberMisscheduled") > 0:
		return Report{InProgress, fmt.Sprintf("%d pods run where they should not", count("numberMisscheduled"))}
	}
	return Report{Status: Current}
}
