package health

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// hopeless are the reasons of waiting containers that seldom go away without a
// change of the pod.
var hopeless = []string{
	"CrashLoopBackOff", "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError",
	"CreateContainerError", "ErrImageNeverPull", "RunContainerError",
}

// readPod tells a pod that runs and is ready, or has succeeded, from one that
// is not, and says which container is to blame and why.
func readPod(obj *unstructured.Unstructured) Report {
	switch text(obj, "status", "phase") {
	case "Succeeded":
		return Report{Status: Current}
	case "Failed":
		return Report{Failed, orElse(text(obj, "status", "message"), containerTrouble(obj), text(obj, "status", "reason"), "the pod has failed")}
	}
	if status, _, _ := condition(obj, "Ready"); status == "True" {
		return Report{Status: Current}
	}
	if status, reason, message := condition(obj, "PodScheduled"); status == "False" {
		return Report{InProgress, fmt.Sprintf("%s: %s", reason, message)}
	}
	return Report{InProgress, orElse(containerTrouble(obj), "containers are not ready")}
}

// containerTrouble names the first container that can't run, and why.
func containerTrouble(obj *unstructured.Unstructured) string {
	for _, field := range []string{"initContainerStatuses", "containerStatuses"} {
		list, _, _ := unstructured.NestedSlice(obj.Object, "status", field)
		for _, c := range list {
			m, _ := c.(map[string]any)
			u := &unstructured.Unstructured{Object: m}
			if reason := text(u, "state", "waiting", "reason"); slices.Contains(hopeless, reason) {
				return fmt.Sprintf("container %s: %s: %s", text(u, "name"), reason,
					orElse(text(u, "state", "waiting", "message"), text(u, "lastState", "terminated", "reason"), "no more is known"))
			}
			if code := number(u, 0, "state", "terminated", "exitCode"); code != 0 {
				return fmt.Sprintf("container %s: %s, exit code %d", text(u, "name"), text(u, "state", "terminated", "reason"), code)
			}
		}
	}
	return ""
}

func orElse(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
