package health

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

// readCronJob takes a CronJob for ready as soon as it is there: whether its
// jobs succeed is their own affair.
func readCronJob(*unstructured.Unstructured) Report { return Report{Status: Current} }
