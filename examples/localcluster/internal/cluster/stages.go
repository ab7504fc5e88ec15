package cluster

import (
	"bytes"
	_ "embed"
	"fmt"

	nodefast "sigs.k8s.io/kwok/kustomize/stage/node/fast"
	nodeheartbeat "sigs.k8s.io/kwok/kustomize/stage/node/heartbeat"
	podfast "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
	"sigs.k8s.io/yaml"
)

// Annotations on a pod that change what becomes of it.
const (
	// AnnotationPod makes a pod go wrong: never-ready, crash-loop,
	// image-pull or fail.
	AnnotationPod = "gitopskit.github.io/pod"
	// AnnotationExitCode is the exit code of crash-loop and fail.
	AnnotationExitCode = "gitopskit.github.io/exit-code"
	// AnnotationReadyAfter delays a pod's start, as in "5s".
	AnnotationReadyAfter = "gitopskit.github.io/ready-after"
	// AnnotationRunFor is how long a pod runs before it completes, as in "5s".
	AnnotationRunFor = "gitopskit.github.io/run-for"
)

// Provisioner names the maker of volumes in StorageClasses.
const Provisioner = "gitopskit.github.io/localcluster"

//go:embed stages/chaos.yaml
var chaosStages []byte

//go:embed stages/volumes.yaml
var volumeStages []byte

// expression is one condition of a stage's selector.
type expression struct {
	Key      string   `json:"key"`
	Operator string   `json:"operator"`
	Values   []string `json:"values,omitempty"`
}

// kwokConfig is the configuration KWOK runs with: its own stages for nodes and
// pods, slower variants of two of them, and those of this package.
func kwokConfig() ([]byte, error) {
	bare, err := vary(podfast.DefaultPodComplete, "pod-complete-bare", func(spec map[string]any) error {
		return replaceLast(spec,
			expression{Key: ".metadata.ownerReferences", Operator: "DoesNotExist"},
			expression{Key: ".spec.restartPolicy", Operator: "In", Values: []string{"Never", "OnFailure"}})
	})
	if err != nil {
		return nil, err
	}
	slow, err := delayed(podfast.DefaultPodReady, "pod-ready-slow", AnnotationReadyAfter)
	if err != nil {
		return nil, err
	}
	long, err := delayed(podfast.DefaultPodComplete, "pod-complete-slow", AnnotationRunFor)
	if err != nil {
		return nil, err
	}
	longBare, err := delayed(string(bare), "pod-complete-bare-slow", AnnotationRunFor)
	if err != nil {
		return nil, err
	}
	return bytes.Join([][]byte{
		[]byte(nodefast.DefaultNodeInit), []byte(nodeheartbeat.DefaultNodeHeartbeat),
		[]byte(podfast.DefaultPodReady), []byte(podfast.DefaultPodComplete), []byte(podfast.DefaultPodDelete),
		bare, slow, long, longBare, chaosStages, volumeStages,
	}, []byte("\n---\n")), nil
}

// delayed is the stage for pods with the annotation, which gives the delay.
func delayed(stage, name, annotation string) ([]byte, error) {
	path := fmt.Sprintf(".metadata.annotations[%q]", annotation)
	return vary(stage, name, func(spec map[string]any) error {
		spec["weight"] = 1000
		spec["delay"] = map[string]any{
			"durationMilliseconds": 0,
			"durationFrom":         map[string]any{"expressionFrom": path},
		}
		return addExpressions(spec, expression{Key: path, Operator: "Exists"})
	})
}

// vary returns a copy of a stage under another name with its spec changed.
func vary(stage, name string, change func(spec map[string]any) error) ([]byte, error) {
	var obj map[string]any
	if err := yaml.Unmarshal([]byte(stage), &obj); err != nil {
		return nil, fmt.Errorf("stage %s: %w", name, err)
	}
	spec, ok := obj["spec"].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("stage %s: no spec", name)
	}
	obj["metadata"] = map[string]any{"name": name}
	if err := change(spec); err != nil {
		return nil, fmt.Errorf("stage %s: %w", name, err)
	}
	return yaml.Marshal(obj)
}

func addExpressions(spec map[string]any, more ...expression) error {
	selector, ok := spec["selector"].(map[string]any)
	if !ok {
		return fmt.Errorf("no selector")
	}
	list, ok := selector["matchExpressions"].([]any)
	if !ok {
		return fmt.Errorf("no matchExpressions")
	}
	for _, e := range more {
		list = append(list, e)
	}
	selector["matchExpressions"] = list
	return nil
}

// replaceLast drops the selector's last expression, which restricts the stage to
// pods of Jobs, and adds others.
func replaceLast(spec map[string]any, more ...expression) error {
	selector, _ := spec["selector"].(map[string]any)
	list, _ := selector["matchExpressions"].([]any)
	if len(list) == 0 {
		return fmt.Errorf("no matchExpressions")
	}
	selector["matchExpressions"] = list[:len(list)-1]
	return addExpressions(spec, more...)
}
