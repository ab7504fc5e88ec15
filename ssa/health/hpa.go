package health

import (
	"encoding/json"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// hopelessHPA are reasons that only a change of the autoscaler's spec removes.
var hopelessHPA = []string{"InvalidSelector", "InvalidMetricSourceType", "AmbiguousSelector"}

// readHPA takes a HorizontalPodAutoscaler for ready when it can scale. One whose
// target is scaled to nothing does what it should, and one whose metrics are
// missing waits for them.
func readHPA(obj *unstructured.Unstructured) Report {
	if stale(obj) {
		return Report{InProgress, notSeen}
	}
	if obj.GroupVersionKind().Version == "v1" {
		obj = withConditions(obj)
	}
	able, reason, message := condition(obj, "AbleToScale")
	if able != "True" {
		return waiting(reason, message, notSeen)
	}
	active, reason, message := condition(obj, "ScalingActive")
	switch {
	case active == "True", reason == "ScalingDisabled":
		return Report{Status: Current}
	case slices.Contains(hopelessHPA, reason):
		return Report{Failed, reasoned(reason, message)}
	}
	return waiting(reason, message, "it has not computed a scale yet")
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
