package kustomization

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	fluxkustomize "github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/apis/meta"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
	"github.com/gitopskit/gitopskit/render/envsubst"
	"github.com/gitopskit/gitopskit/render/kustomize"
	"github.com/gitopskit/gitopskit/source"
)

// built is the input of a build.
type built struct {
	artifact *source.Artifact
	dir      string
	opts     kustomize.Options
}

// build renders the objects of an artifact. What was rendered before with the
// same input is not rendered again.
func (u *run) build(ctx context.Context, a *source.Artifact) ([]*unstructured.Unstructured, error) {
	dir := path.Clean("/" + u.ks.Spec.Path)[1:]
	if strings.HasPrefix(path.Clean(u.ks.Spec.Path), "..") {
		return nil, &failure{reason: meta.ArtifactFailedReason, err: fmt.Errorf("spec.path %q leads out of the artifact: give a path below its root", u.ks.Spec.Path)}
	}
	if dir == "" {
		dir = "."
	}
	if _, err := fs.Stat(a.FS(), dir); err != nil {
		return nil, &failure{reason: meta.ArtifactFailedReason, err: fmt.Errorf("spec.path %q is not in the artifact of revision %s: %w", u.ks.Spec.Path, a.Revision(), pathCause(err))}
	}
	opts, err := u.options(ctx)
	if err != nil {
		return nil, err
	}
	u.built = built{artifact: a, dir: dir, opts: opts}
	objects, err := u.r.Builder.Build(ctx, a.ContentDigest(), a.FS(), dir, opts)
	if err != nil {
		return nil, &failure{reason: meta.BuildFailedReason, err: err}
	}
	return objects, nil
}

func pathCause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// options translates the spec.
func (u *run) options(ctx context.Context) (kustomize.Options, error) {
	spec := &u.ks.Spec
	opts := kustomize.Options{
		TargetNamespace:         spec.TargetNamespace,
		NamePrefix:              spec.NamePrefix,
		NameSuffix:              spec.NameSuffix,
		Components:              spec.Components,
		IgnoreMissingComponents: spec.IgnoreMissingComponents,
		Patches:                 patches(spec.Patches),
		PatchesStrategicMerge:   texts(spec.PatchesStrategicMerge),
		PatchesJSON6902:         olderPatches(spec.PatchesJSON6902),
	}
	for _, m := range spec.BuildMetadata {
		opts.BuildMetadata = append(opts.BuildMetadata, string(m))
	}
	for _, i := range spec.Images {
		opts.Images = append(opts.Images, kustomize.Image{Name: i.Name, NewName: i.NewName, NewTag: i.NewTag, Digest: i.Digest})
	}
	if m := spec.CommonMetadata; m != nil {
		opts.CommonLabels, opts.CommonAnnotations = m.Labels, m.Annotations
	}
	decrypter, err := u.decrypter(ctx)
	if err != nil {
		return opts, err
	}
	if decrypter != nil {
		opts.Decrypter = decrypter
	}
	variables, err := u.variables(ctx)
	if err != nil {
		return opts, err
	}
	if pb := spec.PostBuild; pb != nil {
		opts.Substitute = envsubst.Substitution{Variables: variables, Always: pb.SubstituteStrategy == kustomizev1.SubstituteStrategyAlways}
	}
	return opts, nil
}

func patches(in []fluxkustomize.Patch) []kustomize.Patch {
	var out []kustomize.Patch
	for _, p := range in {
		out = append(out, kustomize.Patch{Patch: p.Patch, Target: selector(p.Target)})
	}
	return out
}

func selector(s *fluxkustomize.Selector) *kustomize.Selector {
	if s == nil {
		return nil
	}
	return &kustomize.Selector{
		Group: s.Group, Version: s.Version, Kind: s.Kind, Namespace: s.Namespace, Name: s.Name,
		LabelSelector: s.LabelSelector, AnnotationSelector: s.AnnotationSelector,
	}
}

func texts(in []apiextensionsv1.JSON) []string {
	var out []string
	for _, j := range in {
		out = append(out, string(j.Raw))
	}
	return out
}

func olderPatches(in []api.JSON6902Patch) []kustomize.Patch {
	var out []kustomize.Patch
	for _, p := range in {
		ops := strings.Join(texts(p.Patch), ",")
		out = append(out, kustomize.Patch{Patch: "[" + ops + "]", Target: selector(&p.Target)})
	}
	return out
}

// variables gathers those of the ConfigMaps and Secrets named, the later ones
// winning, and the spec's own, which win over all.
func (u *run) variables(ctx context.Context) (map[string]string, error) {
	pb := u.ks.Spec.PostBuild
	if pb == nil {
		return nil, nil
	}
	out := map[string]string{}
	for _, ref := range pb.SubstituteFrom {
		data, err := u.variablesFrom(ctx, ref)
		if err != nil {
			return nil, &failure{reason: meta.BuildFailedReason, err: err}
		}
		for k, v := range data {
			out[k] = strings.ReplaceAll(v, "\n", "")
		}
	}
	for k, v := range pb.Substitute {
		out[k] = strings.ReplaceAll(v, "\n", "")
	}
	return out, nil
}

func (u *run) variablesFrom(ctx context.Context, ref kustomizev1.SubstituteReference) (map[string]string, error) {
	key := client.ObjectKey{Namespace: u.ks.Namespace, Name: ref.Name}
	var err error
	data := map[string]string{}
	switch ref.Kind {
	case "ConfigMap":
		cm := &corev1.ConfigMap{}
		err = u.r.Get(ctx, key, cm)
		data = cm.Data
	case "Secret":
		s := &corev1.Secret{}
		err = u.r.Get(ctx, key, s)
		for k, v := range s.Data {
			data[k] = string(v)
		}
	default:
		return nil, fmt.Errorf("spec.postBuild.substituteFrom: kind %q is neither ConfigMap nor Secret", ref.Kind)
	}
	if apierrors.IsNotFound(err) {
		if ref.Optional {
			return nil, nil
		}
		return nil, fmt.Errorf("spec.postBuild.substituteFrom: the %s %s does not exist: create it, or mark the reference optional", ref.Kind, key)
	}
	return data, err
}
