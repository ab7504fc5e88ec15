package health

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// clusterAPI returns the reader for kinds of Cluster API and its providers, or
// nil.
func clusterAPI(group, kind string) Reader {
	if !within(group, "cluster.x-k8s.io") {
		return nil
	}
	if strings.HasSuffix(kind, "Template") {
		return func(*unstructured.Unstructured) Report { return Report{Status: Current} }
	}
	return readCluster
}

// readCluster reads Available, where the API is new enough to have it, else
// Ready, else the phase. A terminal failure is one that Cluster API says it
// does not recover from.
func readCluster(obj *unstructured.Unstructured) Report {
	for _, at := range [][]string{{"status"}, {"status", "deprecated", "v1beta1"}} {
		if message := text(obj, append(at, "failureMessage")...); message != "" {
			return Report{Failed, message}
		}
	}
	phase := text(obj, "status", "phase")
	switch {
	case phase == "Failed":
		return Report{Failed, "phase Failed"}
	case stale(obj):
		return Report{InProgress, notSeen}
	}
	for _, kind := range []string{"Available", "Ready"} {
		status, reason, message := condition(obj, kind)
		switch status {
		case "True":
			return Report{Status: Current}
		case "False", "Unknown":
			return waiting(reason, message, "not "+kind+" yet")
		}
	}
	switch ready, _, _ := unstructured.NestedBool(obj.Object, "status", "ready"); {
	case ready, phase == "Provisioned", phase == "Running":
		return Report{Status: Current}
	}
	return Report{InProgress, orElse(phase, notSeen)}
}
