// Package ocirepo fetches what OCIRepository objects name.
package ocirepo

import (
	"context"
	"errors"
	"fmt"

	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/sources"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/status"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/oci"
)

// Kind is OCIRepository.
type Kind struct {
	client.Client
	Cache *oci.Cache
}

var _ sources.Kind = (*Kind)(nil)

// Name implements sources.Kind.
func (*Kind) Name() string { return sourcev1.OCIRepositoryKind }

// New implements sources.Kind.
func (*Kind) New() sources.Object { return &api.OCIRepository{} }

// FailedReason implements sources.Kind.
func (*Kind) FailedReason() string { return sourcev1.OCIPullFailedReason }

// Fetch implements sources.Kind. What is there already is not fetched again; a
// signature is looked at each time, as the keys may have changed.
func (k *Kind) Fetch(ctx context.Context, o sources.Object, have *source.Artifact) (*source.Artifact, error) {
	repo := o.(*api.OCIRepository)
	if err := checkSupported(repo); err != nil {
		return nil, err
	}
	copts, err := k.clientOptions(ctx, repo)
	if err != nil {
		return nil, err
	}
	registry, err := oci.NewClient(copts)
	if err != nil {
		return nil, sources.Stalled(sourcev1.AuthenticationFailedReason, err)
	}
	defer func() { _ = registry.Close() }()
	opts := oci.Options{URL: repo.Spec.URL, Client: registry, Cache: k.Cache, Reference: reference(repo.Spec.Reference), Layer: layer(repo.Spec.LayerSelector)}
	if repo.Spec.Ignore != nil {
		opts.Ignore = *repo.Spec.Ignore
	}
	if repo.Spec.Verify != nil {
		if opts.Verifier, err = k.verifier(ctx, repo); err != nil {
			return nil, err
		}
	}
	src, err := oci.New(opts)
	if err != nil {
		return nil, sources.Stalled(sourcev1.URLInvalidReason, err)
	}
	rev, err := src.Resolve(ctx)
	if err != nil {
		return nil, err
	}
	if have != nil && have.Revision() == rev && opts.Verifier == nil {
		return have, nil
	}
	return src.Fetch(ctx, rev)
}

func reference(ref *sourcev1.OCIRepositoryRef) oci.Reference {
	if ref == nil {
		return oci.Reference{}
	}
	return oci.Reference{Digest: ref.Digest, SemVer: ref.SemVer, SemVerFilter: ref.SemverFilter, Tag: ref.Tag}
}

func layer(l *sourcev1.OCILayerSelector) oci.Layer {
	if l == nil {
		return oci.Layer{}
	}
	out := oci.Layer{MediaType: l.MediaType, Operation: oci.Extract}
	if l.Operation == sourcev1.OCILayerCopy {
		out.Operation = oci.Copy
	}
	return out
}

func checkSupported(repo *api.OCIRepository) error {
	if p := repo.Spec.Provider; p != "" && p != sourcev1.GenericOCIProvider && repo.Spec.SecretRef == nil {
		return sources.Unsupported("spec.provider "+p, "name a Secret in spec.secretRef")
	}
	v := repo.Spec.Verify
	switch {
	case v == nil:
	case v.Provider != "cosign":
		return sources.Unsupported("spec.verify.provider "+v.Provider, "sign with cosign")
	case v.SecretRef == nil:
		return sources.Unsupported("spec.verify without a key", "name a Secret with cosign's public keys in spec.verify.secretRef")
	case len(v.MatchOIDCIdentity) > 0:
		return sources.Stalled("InvalidVerification", errors.New("spec.verify has a secretRef and matchOIDCIdentity: a key knows no identity, remove one of the two"))
	}
	return nil
}

// Published implements sources.Kind.
func (*Kind) Published(o sources.Object, a *source.Artifact) {
	repo := o.(*api.OCIRepository)
	repo.Status.ObservedIgnore = repo.Spec.Ignore
	repo.Status.ObservedLayerSelector = repo.Spec.LayerSelector
	signer := a.Metadata()[oci.MetadataSigner]
	if repo.Spec.Verify == nil {
		status.Remove(repo, sourcev1.SourceVerifiedCondition)
		return
	}
	status.Set(repo, sourcev1.SourceVerifiedCondition, metav1.ConditionTrue, meta.SucceededReason,
		fmt.Sprintf("verified signature of revision %s by %s", a.Revision(), signer))
}
