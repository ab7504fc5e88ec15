package health

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

// readService waits for the address of a load balancer; other Services are
// ready as soon as they are there.
func readService(obj *unstructured.Unstructured) Report {
	if text(obj, "spec", "type") != "LoadBalancer" {
		return Report{Status: Current}
	}
	if addresses, _, _ := unstructured.NestedSlice(obj.Object, "status", "loadBalancer", "ingress"); len(addresses) > 0 {
		return Report{Status: Current}
	}
	return Report{InProgress, "the load balancer has no address yet"}
}
