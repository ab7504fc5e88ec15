package kustomization

import (
	"context"
	"fmt"

	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/artifacts"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/status"
	"github.com/gitopskit/gitopskit/source"
)

// sourceKey returns the key of the source that a Kustomization names.
func sourceKey(ks *api.Kustomization) artifacts.Key {
	ref := ks.Spec.SourceRef
	if ref.Namespace == "" {
		ref.Namespace = ks.Namespace
	}
	return artifacts.Key{Kind: ref.Kind, Namespace: ref.Namespace, Name: ref.Name}
}

// newSource returns an empty object of a kind that Kustomizations may name, or
// nil if they may not.
func newSource(kind string) status.Object {
	switch kind {
	case sourcev1.GitRepositoryKind:
		return &api.GitRepository{}
	case sourcev1.OCIRepositoryKind:
		return &api.OCIRepository{}
	case sourcev1.BucketKind:
		return &api.Bucket{}
	}
	return nil
}

// source returns the artifact to be applied.
func (u *run) source(ctx context.Context) (*source.Artifact, error) {
	key := sourceKey(u.ks)
	if u.r.NoCrossNamespaceRefs && key.Namespace != u.ks.Namespace {
		return nil, &failure{reason: "AccessDenied", stalled: true,
			err: fmt.Errorf("can't access '%s': references to other namespaces are turned off on this cluster", key)}
	}
	object := newSource(key.Kind)
	err := u.r.Get(ctx, client.ObjectKey{Namespace: key.Namespace, Name: key.Name}, object)
	if apierrors.IsNotFound(err) {
		return nil, &failure{reason: meta.ArtifactFailedReason, err: fmt.Errorf("source '%s' not found: create it, or correct spec.sourceRef", key)}
	}
	if err != nil {
		return nil, err
	}
	artifact := u.r.Artifacts.Get(key)
	if artifact == nil {
		why := "it has not been fetched yet"
		if m := status.Message(object); m != "" && !status.IsReady(object) {
			why = m
		}
		return nil, &failure{reason: meta.ArtifactFailedReason, quiet: true, err: fmt.Errorf("source '%s' has no artifact: %s", key, why)}
	}
	return artifact, nil
}
