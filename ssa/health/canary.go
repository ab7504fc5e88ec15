package health

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// readCanary reads Flagger's Canary by its phase: it has no observedGeneration,
// and the general rules take it for ready at once. A canary is ready when it
// was promoted, or has just been initialized. Whether that was before or after
// the last change of its target, the Canary alone does not tell; see seenCanary.
func readCanary(obj *unstructured.Unstructured) Report {
	phase := text(obj, "status", "phase")
	applied, promoted := text(obj, "status", "lastAppliedSpec"), text(obj, "status", "lastPromotedSpec")
	switch phase {
	case "Failed":
		_, _, message := condition(obj, "Promoted")
		return Report{Failed, orElse(message, "the canary was rolled back: the revision in Git is newer than the one that runs")}
	case "Initialized", "Succeeded":
		if phase == "Succeeded" && promoted != "" && applied != promoted {
			return Report{InProgress, "a new revision waits for its analysis"}
		}
		if suspended, _, _ := unstructured.NestedBool(obj.Object, "spec", "suspend"); suspended {
			return Report{Current, "suspended: changes are not analysed"}
		}
		return Report{Status: Current}
	case "":
		return Report{InProgress, "Flagger has not seen the canary"}
	}
	return Report{InProgress, fmt.Sprintf("phase %s, weight %d", phase, number(obj, 0, "status", "canaryWeight"))}
}
