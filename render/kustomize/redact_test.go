package kustomize

import (
	"strings"
	"testing"
)

// TestErrorsDoNotShowPlaintext makes the library fail on what was decrypted.
func TestErrorsDoNotShowPlaintext(t *testing.T) {
	encrypted := func(s string) string { return "rot13:" + strings.Map(turn, s) }
	for name, files := range map[string]map[string]string{
		"an environment file with a key twice": {
			"kustomization.yaml": "secretGenerator:\n- name: g\n  envs: [e]\n", "e": encrypted("a=hunter\na=hunter\n"),
		},
		"a patch that matches nothing": {
			"kustomization.yaml": "resources: [a.yaml]\npatches:\n- path: p\n", "a.yaml": configMap,
			"p": encrypted("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\ndata: {k: hunter}\n"),
		},
		"a patch that is neither": {
			"kustomization.yaml": "resources: [a.yaml]\npatches:\n- path: p\n", "a.yaml": configMap, "p": encrypted("hunter"),
		},
		"a patch without kind": {
			"kustomization.yaml": "resources: [a.yaml]\npatchesStrategicMerge: [p]\n", "a.yaml": configMap, "p": encrypted("k: hunter"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Build(t.Context(), memory(files), "", Options{Decrypter: rot13{}})
			if err == nil || strings.Contains(err.Error(), "hunter") {
				t.Errorf("got %v", err)
			}
		})
	}
}
