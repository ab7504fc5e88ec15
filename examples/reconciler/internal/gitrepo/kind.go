// Package gitrepo fetches what GitRepository objects name.
package gitrepo

import (
	"context"
	"time"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/artifacts"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/sources"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/git"
)

// Kind is GitRepository.
type Kind struct {
	client.Client
	Mirrors   *git.Mirrors
	Artifacts *artifacts.Registry
}

var _ sources.Kind = (*Kind)(nil)

// Name implements sources.Kind.
func (*Kind) Name() string { return sourcev1.GitRepositoryKind }

// New implements sources.Kind.
func (*Kind) New() sources.Object { return &api.GitRepository{} }

// FailedReason implements sources.Kind.
func (*Kind) FailedReason() string { return sourcev1.GitOperationFailedReason }

// Setup registers a reconciler of the kind, to which other repositories bring
// those that include them.
func (k *Kind) Setup(ctx context.Context, mgr ctrl.Manager, r *sources.Reconciler, concurrent int) error {
	if err := mgr.GetFieldIndexer().IndexField(ctx, &api.GitRepository{}, byInclude, includeNames); err != nil {
		return err
	}
	return r.Setup(mgr, concurrent, func(b *builder.Builder) *builder.Builder {
		return b.Watches(&api.GitRepository{}, handler.EnqueueRequestsFromMapFunc(k.includers), builder.WithPredicates(artifactChanged))
	})
}

// Fetch implements sources.Kind. What is there already is not fetched again,
// unless there is more to it than the revision: keys and included artifacts
// change on their own.
func (k *Kind) Fetch(ctx context.Context, o sources.Object, have *source.Artifact) (*source.Artifact, error) {
	repo := o.(*api.GitRepository)
	if p := repo.Spec.Provider; p != "" && p != sourcev1.GitProviderGeneric && p != sourcev1.GitProviderGitHub {
		return nil, sources.Unsupported("spec.provider "+p, "use a Secret")
	}
	opts, err := k.Options(ctx, repo)
	if err != nil {
		return nil, err
	}
	src, err := git.New(opts)
	if err != nil {
		return nil, sources.Stalled(sourcev1.URLInvalidReason, err)
	}
	rev, err := src.Resolve(ctx)
	if err != nil {
		return nil, err
	}
	if have != nil && have.Revision() == rev && opts.Verify == nil && len(repo.Spec.Include) == 0 {
		return have, nil
	}
	artifact, err := src.Fetch(ctx, rev)
	if err != nil {
		return nil, err
	}
	return k.include(ctx, repo, artifact)
}

// Published implements sources.Kind.
func (*Kind) Published(o sources.Object, a *source.Artifact) {
	repo := o.(*api.GitRepository)
	repo.Status.ObservedIgnore = repo.Spec.Ignore
	repo.Status.ObservedSparseCheckout = repo.Spec.SparseCheckout
	repo.Status.ObservedInclude = repo.Spec.Include
	repo.Status.ObservedRecurseSubmodules = repo.Spec.RecurseSubmodules
	if len(repo.Spec.Include) == 0 {
		repo.Status.IncludedArtifacts = nil
	}
	verified(repo, a)
}

// listingAge is how old a listing of references may be, so that repositories
// that come up at about the same time share one.
const listingAge = 5 * time.Second
