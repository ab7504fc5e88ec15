// Package install has the manifests that put the reconciler into a cluster.
package install

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"text/template"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/crds"
)

//go:embed reconciler.yaml
var workload string

// Options say what is installed.
type Options struct {
	Namespace string
	Image     string
	Version   string
	CRDsOnly  bool
}

// Manifests returns the objects of an installation, definitions first.
func Manifests(opts Options) ([]*unstructured.Unstructured, error) {
	out, err := crds.All()
	if err != nil {
		return nil, err
	}
	for _, crd := range out {
		labels := crd.GetLabels()
		labels["app.kubernetes.io/version"] = opts.Version
		labels["app.kubernetes.io/instance"] = opts.Namespace
		crd.SetLabels(labels)
	}
	if opts.CRDsOnly {
		return out, nil
	}
	t, err := template.New("reconciler.yaml").Option("missingkey=error").Parse(workload)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if err := t.Execute(&text, opts); err != nil {
		return nil, err
	}
	decoder := yaml.NewYAMLOrJSONDecoder(&text, 4096)
	for {
		u := &unstructured.Unstructured{}
		err := decoder.Decode(u)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reconciler.yaml: %w", err)
		}
		out = append(out, u)
	}
}

// Write writes objects as YAML documents.
func Write(w io.Writer, objects []*unstructured.Unstructured) error {
	for _, o := range objects {
		data, err := sigsyaml.Marshal(o.Object)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "---\n%s", data); err != nil {
			return err
		}
	}
	return nil
}
