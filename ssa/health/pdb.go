package health

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// readPDB takes a PodDisruptionBudget for ready when as many pods are healthy
// as it asks for.
func readPDB(obj *unstructured.Unstructured) Report {
	if unseen(obj) {
		return Report{InProgress, notSeen}
	}
	if status, reason, message := condition(obj, "DisruptionAllowed"); status == "False" && reason == "SyncFailed" {
		return Report{InProgress, reasoned(reason, message)}
	}
	healthy, want := number(obj, 0, "status", "currentHealthy"), number(obj, 0, "status", "desiredHealthy")
	if healthy < want {
		return Report{InProgress, fmt.Sprintf("%d of %d pods are healthy", healthy, want)}
	}
	return Report{Status: Current}
}
