package helm

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/gitopskit/gitopskit/render/kustomize"
)

type runtimeObject = runtime.Object

// PostRender is what happens to the objects of a chart after its templates, in
// the order of the fields. Hooks and CRDs are left alone, as in Helm v3.
type PostRender struct {
	// Kustomize are steps one after the other.
	Kustomize []KustomizeStep
	// CommonLabels and CommonAnnotations are set on every object.
	CommonLabels, CommonAnnotations map[string]string
	// OriginLabels are set last: Flux's helm.toolkit.fluxcd.io/name and namespace.
	OriginLabels map[string]string
}

// KustomizeStep is one post-renderer of a HelmRelease.
type KustomizeStep struct {
	Patches []kustomize.Patch
	Images  []kustomize.Image
}

func (p PostRender) isZero() bool {
	return len(p.Kustomize)+len(p.CommonLabels)+len(p.CommonAnnotations)+len(p.OriginLabels) == 0
}

func (p PostRender) apply(ctx context.Context, c *Chart, r *Rendered) error {
	if p.isZero() {
		return nil
	}
	objects, err := r.Objects()
	if err != nil {
		return err
	}
	if objects, err = p.Run(ctx, objects); err != nil {
		return &Error{Op: "postrender", Ref: c.ref(), Err: err}
	}
	r.objects, r.changed = objects, true
	r.Manifest, err = ManifestOf(objects)
	return err
}

// Run applies p to objects, which are not changed.
func (p PostRender) Run(ctx context.Context, objects []*unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
	for _, step := range p.Kustomize {
		if len(objects) == 0 {
			break
		}
		text, err := ManifestOf(objects)
		if err != nil {
			return nil, err
		}
		folder := manifestFS{"kustomization.yaml": "resources: [all.yaml]\n", "all.yaml": text}
		objects, err = kustomize.Build(ctx, folder, ".", kustomize.Options{Patches: step.Patches, Images: step.Images})
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrPostRender, err)
		}
	}
	out := make([]*unstructured.Unstructured, len(objects))
	for i, o := range objects {
		out[i] = o.DeepCopy()
		setAll(out[i].GetLabels, out[i].SetLabels, p.CommonLabels, p.OriginLabels)
		setAll(out[i].GetAnnotations, out[i].SetAnnotations, p.CommonAnnotations)
	}
	return out, nil
}

func setAll(get func() map[string]string, set func(map[string]string), more ...map[string]string) {
	m := maps.Clone(get())
	for _, add := range more {
		if len(add) > 0 && m == nil {
			m = map[string]string{}
		}
		maps.Copy(m, add)
	}
	if len(m) > 0 {
		set(m)
	}
}

// ManifestOf writes objects as a YAML stream.
func ManifestOf(objects []*unstructured.Unstructured) (string, error) {
	var b strings.Builder
	for _, o := range objects {
		data, err := yaml.Marshal(o.Object)
		if err != nil {
			return "", err
		}
		b.WriteString("---\n" + string(data))
	}
	return b.String(), nil
}
