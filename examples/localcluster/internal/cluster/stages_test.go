package cluster

import (
	"bytes"
	"errors"
	"testing"

	"sigs.k8s.io/yaml"
)

func splitDocuments(b []byte) [][]byte { return bytes.Split(b, []byte("\n---\n")) }

func stageName(doc []byte) (string, error) {
	var s struct {
		Kind     string `json:"kind"`
		Metadata struct {
			Name string `json:"name"`
		} `json:"metadata"`
	}
	if err := yaml.Unmarshal(doc, &s); err != nil {
		return "", err
	}
	if s.Kind != "Stage" || s.Metadata.Name == "" {
		return "", errors.New("no stage")
	}
	return s.Metadata.Name, nil
}

func TestStagesAreYAMLWithDistinctNames(t *testing.T) {
	b, err := kwokConfig()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, doc := range splitDocuments(b) {
		name, err := stageName(doc)
		if err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		if names[name] {
			t.Errorf("two stages are called %s", name)
		}
		names[name] = true
	}
	for _, want := range []string{"node-initialize", "pod-ready", "pod-ready-slow", "pod-complete-bare", "pod-crash-loop", "volume-provision"} {
		if !names[want] {
			t.Errorf("no stage %s among %v", want, names)
		}
	}
}
