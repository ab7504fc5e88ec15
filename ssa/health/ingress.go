package health

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

// readIngress takes an Ingress for ready as soon as it is there: many
// controllers never write an address into its status.
func readIngress(*unstructured.Unstructured) Report { return Report{Status: Current} }
