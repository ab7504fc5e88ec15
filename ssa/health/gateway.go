package health

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// gatewayWaits are the reasons for which the Gateway API has a condition that is
// not true and may become so without a change of the object.
var gatewayWaits = []string{
	"", "Pending", "Waiting", "NoResources", "AddressNotAssigned", "NoMatchingParent", "BackendNotFound", "ListenersNotReady",
}

// readGatewayClass takes a class for ready when a controller has accepted it.
func readGatewayClass(obj *unstructured.Unstructured) Report { return allTrue(obj, "Accepted") }

// readGateway takes a Gateway for ready when it was accepted and its
// configuration has reached what serves it.
func readGateway(obj *unstructured.Unstructured) Report {
	return allTrue(obj, "Accepted", "Programmed")
}

// readRoute takes a route for ready when each Gateway that it names has accepted
// it, and all backends were found.
func readRoute(obj *unstructured.Unstructured) Report {
	parents, _, _ := unstructured.NestedSlice(obj.Object, "status", "parents")
	wanted, _, _ := unstructured.NestedSlice(obj.Object, "spec", "parentRefs")
	if len(parents) < len(wanted) || len(parents) == 0 {
		return Report{InProgress, notSeen}
	}
	for _, p := range parents {
		m, _ := p.(map[string]any)
		parent := &unstructured.Unstructured{Object: map[string]any{"status": m}}
		parent.SetGeneration(obj.GetGeneration())
		if r := allTrue(parent, "Accepted", "ResolvedRefs"); r.Status != Current {
			r.Message = "parent " + text(parent, "status", "parentRef", "name") + ": " + r.Message
			return r
		}
	}
	return Report{Status: Current}
}

// allTrue waits for conditions of the Gateway API, each about the present
// generation. One that is false for a reason that does not go away by itself is
// a failure.
func allTrue(obj *unstructured.Unstructured, kinds ...string) Report {
	for _, kind := range kinds {
		if conditionStale(obj, kind) {
			return Report{InProgress, notSeen}
		}
		status, reason, message := condition(obj, kind)
		switch {
		case status == "True":
		case status == "False" && !slices.Contains(gatewayWaits, reason):
			return Report{Failed, kind + ": " + reasoned(reason, message)}
		default:
			return waiting(reason, message, "not "+kind+" yet")
		}
	}
	return Report{Status: Current}
}
