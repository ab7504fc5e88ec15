package health

import (
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// readRollout reads Argo's Rollout by its phase. Its observedGeneration is a
// text, which general rules do not see.
func readRollout(obj *unstructured.Unstructured) Report {
	seen, err := strconv.ParseInt(text(obj, "status", "observedGeneration"), 10, 64)
	if err == nil && seen < obj.GetGeneration() {
		return Report{InProgress, notSeen}
	}
	message := text(obj, "status", "message")
	switch phase := text(obj, "status", "phase"); phase {
	case "Healthy":
		return Report{Status: Current}
	case "Degraded":
		return Report{Failed, orElse(message, "the rollout is degraded")}
	case "Paused":
		if paused, _, _ := unstructured.NestedBool(obj.Object, "spec", "paused"); paused {
			return Report{Current, "paused"}
		}
		return Report{InProgress, "paused: " + orElse(message, "it waits to be promoted")}
	case "":
		return Report{InProgress, notSeen}
	default:
		return Report{InProgress, orElse(message, "phase "+phase)}
	}
}
