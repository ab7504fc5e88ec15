package main

import (
	_ "embed"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// sites is the resource that this operator is for.
var sites = schema.GroupVersionResource{Group: "example.com", Version: "v1", Resource: "sites"}

//go:embed site.yaml
var definitionYAML []byte

// definition returns the CustomResourceDefinition of Site.
func definition() (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{}
	return u, yaml.Unmarshal(definitionYAML, &u.Object)
}

// children returns what a Site wants to have in its namespace: a Deployment and
// a Service, and a ConfigMap if there are settings.
func children(site *unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
	name := site.GetName()
	image, _, err := unstructured.NestedString(site.Object, "spec", "image")
	if err != nil || image == "" {
		return nil, errors.Join(fmt.Errorf("spec.image is missing: name the image that serves the site"), err)
	}
	replicas, ok, err := unstructured.NestedInt64(site.Object, "spec", "replicas")
	if !ok || err != nil {
		replicas = 1
	}
	settings, _, err := unstructured.NestedStringMap(site.Object, "spec", "settings")
	if err != nil {
		return nil, fmt.Errorf("spec.settings: %w", err)
	}
	labels := map[string]any{"site": name}
	container := map[string]any{"name": "site", "image": image, "ports": []any{map[string]any{"containerPort": int64(8080)}}}
	out := []*unstructured.Unstructured{
		object("v1", "Service", name, map[string]any{
			"selector": labels, "ports": []any{map[string]any{"port": int64(80), "targetPort": int64(8080)}},
		}),
	}
	if len(settings) > 0 {
		container["envFrom"] = []any{map[string]any{"configMapRef": map[string]any{"name": name}}}
		data := map[string]any{}
		for k, v := range settings {
			data[k] = v
		}
		config := object("v1", "ConfigMap", name, nil)
		config.Object["data"] = data
		out = append(out, config)
	}
	return append(out, object("apps/v1", "Deployment", name, map[string]any{
		"replicas": replicas,
		"selector": map[string]any{"matchLabels": labels},
		"template": map[string]any{
			"metadata": map[string]any{"labels": labels},
			"spec":     map[string]any{"containers": []any{container}},
		},
	})), nil
}

func object(apiVersion, kind, name string, spec map[string]any) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": apiVersion, "kind": kind, "metadata": map[string]any{"name": name},
	}}
	if spec != nil {
		u.Object["spec"] = spec
	}
	return u
}
