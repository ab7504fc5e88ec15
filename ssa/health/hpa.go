package health

import (
	"encoding/json"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// hopelessHPA are reasons that only a change of the autoscaler's spec removes.
var hopelessHPA = []string{"InvalidSelector", "InvalidMetricSourceType", "AmbiguousSelector"}

// readHPA takes a HorizontalPodAutoscaler for ready unless it says that it can't
// do its work: that its controller looks at it only every 15 s, and that there
// are no metrics for it, at first or at all, is nothing to wait for. The
// workload that it scales is judged by itself.
func readHPA(obj *unstructured.Unstructured) Report {
	if stale(obj) {
		return Report{InProgress, notSeen}
	}
	if obj.GroupVersionKind().Version == "v1" {
		obj = withConditions(obj)
	}
	if able, reason, message := condition(obj, "AbleToScale"); able == "False" {
		return waiting(reason, message, notSeen)
	}
	active, reason, message := condition(obj, "ScalingActive")
	switch {
	case slices.Contains(hopelessHPA, reason):
		return Report{Failed, reasoned(reason, message)}
	case active == "False":
		return Report{Current, reasoned(reason, message)}
	}
	return Report{Status: Current}
}

// withConditions returns an autoscaler as version 2 has it: version 1 has no
// place for conditions but an annotation.
func withConditions(obj *unstructured.Unstructured) *unstructured.Unstructured {
	var conditions []any
	if json.Unmarshal([]byte(obj.GetAnnotations()["autoscaling.alpha.kubernetes.io/conditions"]), &conditions) != nil {
		return obj
	}
	return &unstructured.Unstructured{Object: map[string]any{"status": map[string]any{"conditions": conditions}}}
}
