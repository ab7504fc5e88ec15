// Package gitrepo reconciles GitRepository objects: it keeps the artifact of
// each at what its repository has.
package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/artifacts"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/status"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/git"
)

// Reconciler reconciles GitRepository objects.
type Reconciler struct {
	client.Client
	Events    record.EventRecorder
	Mirrors   *git.Mirrors
	Artifacts *artifacts.Registry
	Storage   *Storage
}

// KeyOf returns the key under which a repository's artifact is registered.
func KeyOf(namespace, name string) artifacts.Key {
	return artifacts.Key{Kind: sourcev1.GitRepositoryKind, Namespace: namespace, Name: name}
}

// Reconcile brings one repository's artifact up to date.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	repo := &api.GitRepository{}
	if err := r.Get(ctx, req.NamespacedName, repo); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !repo.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, r.finalize(ctx, repo)
	}
	if controllerutil.AddFinalizer(repo, sourcev1.SourceFinalizer) {
		return ctrl.Result{}, r.Update(ctx, repo)
	}
	if repo.Spec.Suspend {
		return ctrl.Result{}, nil
	}
	before := repo.DeepCopy()
	repo = repo.DeepCopy()
	err := r.sync(ctx, repo)
	if ctx.Err() != nil {
		return ctrl.Result{}, ctx.Err()
	}
	if at, ok := meta.ReconcileAnnotationValue(repo.Annotations); ok {
		repo.Status.SetLastHandledReconcileRequest(at)
	}
	if patchErr := status.Patch(ctx, r.Client, before, repo); patchErr != nil {
		return ctrl.Result{}, patchErr
	}
	var stalled *stalledError
	if errors.As(err, &stalled) {
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: jitter(repo.Spec.Interval.Duration)}, nil
}

func jitter(d time.Duration) time.Duration {
	return d - d/20 + rand.N(d/10+1)
}

func (r *Reconciler) finalize(ctx context.Context, repo *api.GitRepository) error {
	r.Artifacts.Delete(KeyOf(repo.Namespace, repo.Name))
	if err := r.Storage.RemoveAll(repo); err != nil {
		return err
	}
	if controllerutil.RemoveFinalizer(repo, sourcev1.SourceFinalizer) {
		return client.IgnoreNotFound(r.Update(ctx, repo))
	}
	return nil
}

// A stalledError can't be got over by trying again: the object has to change.
type stalledError struct {
	reason string
	err    error
}

func (e *stalledError) Error() string { return e.err.Error() }
func (e *stalledError) Unwrap() error { return e.err }

// sync fetches what is there now and sets the conditions.
func (r *Reconciler) sync(ctx context.Context, repo *api.GitRepository) error {
	artifact, err := r.fetch(ctx, repo)
	if err == nil {
		err = r.publish(ctx, repo, artifact)
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	reason, message := reasonOf(err), err.Error()
	var stalled *stalledError
	if errors.As(err, &stalled) {
		status.Stalled(repo, stalled.reason, message)
	} else {
		status.Failed(repo, reason, message)
	}
	status.Set(repo, failedCondition(err), metav1.ConditionTrue, reason, message)
	if errors.Is(err, source.ErrVerification) {
		status.Set(repo, sourcev1.SourceVerifiedCondition, metav1.ConditionFalse, reason, message)
	}
	repo.Status.ObservedGeneration = repo.Generation
	r.Events.Event(repo, corev1.EventTypeWarning, reason, message)
	return err
}

func failedCondition(err error) string {
	var missing *includeError
	if errors.As(err, &missing) {
		return sourcev1.IncludeUnavailableCondition
	}
	return sourcev1.FetchFailedCondition
}

func reasonOf(err error) string {
	var stalled *stalledError
	var missing *includeError
	switch {
	case errors.As(err, &missing):
		return missing.reason
	case errors.As(err, &stalled):
		return stalled.reason
	case errors.Is(err, source.ErrVerification):
		return sourcev1.VerificationError
	case errors.Is(err, source.ErrAuth), errors.Is(err, source.ErrHostKey):
		return sourcev1.AuthenticationFailedReason
	}
	return sourcev1.GitOperationFailedReason
}

// fetch returns the artifact of what the repository has now. What is registered
// already is not fetched again, unless there is more to it than the revision:
// keys and included artifacts change on their own.
func (r *Reconciler) fetch(ctx context.Context, repo *api.GitRepository) (*source.Artifact, error) {
	if p := repo.Spec.Provider; p != "" && p != sourcev1.GitProviderGeneric && p != sourcev1.GitProviderGitHub {
		return nil, &stalledError{reason: "Unsupported", err: fmt.Errorf("spec.provider %q is not supported by this version of the reconciler: use a Secret", p)}
	}
	opts, err := r.options(ctx, repo)
	if err != nil {
		return nil, err
	}
	src, err := git.New(opts)
	if err != nil {
		return nil, &stalledError{reason: sourcev1.URLInvalidReason, err: err}
	}
	rev, err := src.Resolve(ctx)
	if err != nil {
		return nil, err
	}
	have := r.Artifacts.Get(KeyOf(repo.Namespace, repo.Name))
	known := have != nil && have.Revision() == rev && repo.Status.ObservedGeneration == repo.Generation
	if known && opts.Verify == nil && len(repo.Spec.Include) == 0 {
		return have, nil
	}
	artifact, err := src.Fetch(ctx, rev)
	if err == nil {
		artifact, err = r.include(ctx, repo, artifact)
	}
	if err == nil && known && artifact.ContentDigest() == have.ContentDigest() {
		return have, nil
	}
	return artifact, err
}

// publish stores the artifact, registers it and writes it into the status.
func (r *Reconciler) publish(ctx context.Context, repo *api.GitRepository, a *source.Artifact) error {
	stored, err := r.Storage.Put(ctx, repo, a)
	if err != nil {
		return err
	}
	old := repo.Status.Artifact
	changed := old == nil || old.Revision != stored.Revision || old.Digest != stored.Digest
	if changed {
		repo.Status.Artifact = stored
	}
	repo.Status.ObservedGeneration = repo.Generation
	repo.Status.ObservedIgnore = repo.Spec.Ignore
	repo.Status.ObservedSparseCheckout = repo.Spec.SparseCheckout
	repo.Status.ObservedInclude = repo.Spec.Include
	repo.Status.ObservedRecurseSubmodules = repo.Spec.RecurseSubmodules
	if len(repo.Spec.Include) == 0 {
		repo.Status.IncludedArtifacts = nil
	}
	verified(repo, a)
	message := fmt.Sprintf("stored artifact for revision '%s'", a.Revision())
	status.Remove(repo, sourcev1.FetchFailedCondition, sourcev1.StorageOperationFailedCondition, sourcev1.IncludeUnavailableCondition)
	status.Set(repo, sourcev1.ArtifactInStorageCondition, metav1.ConditionTrue, meta.SucceededReason, message)
	status.Ready(repo, meta.SucceededReason, message)
	if changed {
		r.Events.AnnotatedEventf(repo, map[string]string{sourcev1.GroupVersion.Group + "/revision": string(a.Revision())},
			corev1.EventTypeNormal, "NewArtifact", "%s", message)
	}
	if changed || r.Artifacts.Get(KeyOf(repo.Namespace, repo.Name)) != a {
		r.Artifacts.Put(KeyOf(repo.Namespace, repo.Name), a)
	}
	return nil
}
