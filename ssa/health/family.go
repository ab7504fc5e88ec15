package health

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// notSeen says that a status is not about the present spec.
const notSeen = "the controller has not seen the latest change"

// readerFor returns the reader of a kind; nil for those that the general rules
// read.
func readerFor(gk schema.GroupKind) Reader {
	if read, ok := readers[gk]; ok {
		return read
	}
	if read := crossplane(gk.Group, gk.Kind); read != nil {
		return read
	}
	return clusterAPI(gk.Group, gk.Kind)
}

// unseen reports whether a status that always says which generation it is about
// is not about the present one.
func unseen(obj *unstructured.Unstructured) bool {
	_, observed, _ := unstructured.NestedInt64(obj.Object, "status", "observedGeneration")
	return !observed || stale(obj)
}

// conditionStale reports whether a condition says that it is about an older
// spec.
func conditionStale(obj *unstructured.Unstructured, kind string) bool {
	list, _, _ := unstructured.NestedSlice(obj.Object, "status", "conditions")
	for _, c := range list {
		m, _ := c.(map[string]any)
		if m["type"] == kind {
			seen, ok, _ := unstructured.NestedInt64(m, "observedGeneration")
			return ok && seen < obj.GetGeneration()
		}
	}
	return false
}

func reasoned(reason, message string) string {
	switch {
	case reason == "":
		return message
	case message == "":
		return reason
	}
	return reason + ": " + message
}

// waiting is the report of an object that is on its way.
func waiting(reason, message, otherwise string) Report {
	return Report{InProgress, orElse(reasoned(reason, message), otherwise)}
}
