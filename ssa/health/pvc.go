package health

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

// readPVC takes a claim for ready when it is bound. One whose volume is lost
// does not recover.
func readPVC(obj *unstructured.Unstructured) Report {
	switch phase := text(obj, "status", "phase"); phase {
	case "Bound":
		if status, _, message := condition(obj, "Resizing"); status == "True" {
			return Report{InProgress, orElse(message, "the volume is being resized")}
		}
		return Report{Status: Current}
	case "Lost":
		return Report{Failed, "the volume that it was bound to is gone"}
	case "":
		return Report{InProgress, "nobody has looked for a volume yet"}
	default:
		return Report{InProgress, "phase " + phase + ": no volume is bound"}
	}
}

// readPV takes a volume for ready when it can be claimed, or is.
func readPV(obj *unstructured.Unstructured) Report {
	switch phase := text(obj, "status", "phase"); phase {
	case "Available", "Bound", "Released":
		return Report{Status: Current}
	case "Failed":
		return Report{Failed, orElse(text(obj, "status", "message"), text(obj, "status", "reason"), "the volume has failed")}
	default:
		return Report{InProgress, "phase " + orElse(phase, "not known")}
	}
}
