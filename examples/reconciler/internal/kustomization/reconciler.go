// Package kustomization reconciles Kustomization objects: it renders what
// their sources have and makes the cluster match it.
package kustomization

import (
	"context"
	"errors"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/artifacts"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/intervals"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/metrics"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/status"
	"github.com/gitopskit/gitopskit/render/kustomize"
	"github.com/gitopskit/gitopskit/ssa"
)

// Reconciler reconciles Kustomization objects.
type Reconciler struct {
	client.Client
	// Reader reads from the API server and not from a cache.
	Reader    client.Reader
	Events    record.EventRecorder
	Artifacts *artifacts.Registry
	Builder   *kustomize.Builder
	Applier   *ssa.Applier
	Durations *metrics.Durations

	// DefaultServiceAccount is impersonated where a Kustomization names none.
	// Empty: the reconciler acts as itself.
	DefaultServiceAccount string
	// NoCrossNamespaceRefs refuses sources of other namespaces.
	NoCrossNamespaceRefs bool

	queue       queue
	inventories inventories
	waits       waits
	accounts    accounts
	moves       moves
}

// Reconcile brings the cluster in line with one Kustomization.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	ks, err := r.get(ctx, req.NamespacedName)
	if err != nil {
		if client.IgnoreNotFound(err) == nil {
			r.forget(req.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !ks.DeletionTimestamp.IsZero() {
		return r.finalize(ctx, ks)
	}
	if controllerutil.AddFinalizer(ks, kustomizev1.KustomizationFinalizer) {
		return ctrl.Result{}, r.Update(ctx, ks)
	}
	if ks.Spec.Suspend {
		r.waits.cancel(req.NamespacedName)
		return ctrl.Result{}, nil
	}
	return r.reconcile(ctx, ks)
}

// get reads a Kustomization: from the cache if the cache has brought it here.
func (r *Reconciler) get(ctx context.Context, name types.NamespacedName) (*api.Kustomization, error) {
	ks := &api.Kustomization{}
	if !r.queue.take(name) {
		return ks, r.Get(ctx, name, ks)
	}
	err := r.Reader.Get(ctx, name, ks)
	if client.IgnoreNotFound(err) != nil {
		r.queue.add(name)
	}
	return ks, err
}

func (r *Reconciler) reconcile(ctx context.Context, ks *api.Kustomization) (ctrl.Result, error) {
	before := ks.DeepCopy()
	run := &run{r: r, ks: ks.DeepCopy()}
	err := run.do(ctx)
	if ctx.Err() != nil {
		return ctrl.Result{}, ctx.Err()
	}
	run.conclude(err)
	if at, ok := meta.ReconcileAnnotationValue(ks.Annotations); ok {
		run.ks.Status.SetLastHandledReconcileRequest(at)
	}
	if patchErr := r.patchStatus(ctx, before, run.ks); patchErr != nil {
		return ctrl.Result{}, patchErr
	}
	return run.next(err)
}

// run is one reconciliation under way.
type run struct {
	r  *Reconciler
	ks *api.Kustomization

	revision string      // of the source's artifact
	built    built       // what was built
	result   *ssa.Result // nil if nothing was applied
	waiting  bool        // health is being waited for in the background
}

func (u *run) do(ctx context.Context) error {
	if err := checkSupported(u.ks); err != nil {
		return err
	}
	artifact, err := u.source(ctx)
	if err != nil {
		return err
	}
	u.revision = string(artifact.Revision())
	if err := u.dependencies(ctx); err != nil {
		return err
	}
	u.ks.Status.LastAttemptedRevision = u.revision
	objects, err := u.build(ctx, artifact)
	if err != nil {
		return err
	}
	applier, err := u.applier()
	if err != nil {
		return err
	}
	if err := u.apply(ctx, applier, objects); err != nil {
		return err
	}
	return u.health(applier, objects)
}

// A failure is an error with the reason for the Ready condition, and what is
// to be done about it.
type failure struct {
	reason      string
	err         error
	stalled     bool          // trying again is of no use until something changes
	quiet       bool          // ordinary waiting: no warning event
	progressing bool          // nothing is wrong
	retry       time.Duration // when to try again; zero: the retry interval
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// conclude sets the conditions.
func (u *run) conclude(err error) {
	ks := u.ks
	var f *failure
	switch {
	case err == nil && u.waiting:
		return
	case err == nil:
		u.succeed()
		return
	case !errors.As(err, &f):
		f = &failure{reason: meta.ReconciliationFailedReason, err: err}
	}
	message := f.Error()
	repeated := status.Message(ks) == message
	if f.progressing {
		status.Progressing(ks, message)
		return
	}
	if f.stalled {
		status.Stalled(ks, f.reason, message)
		ks.Status.ObservedGeneration = ks.Generation
	} else {
		status.Failed(ks, f.reason, message)
	}
	if !f.quiet && !repeated {
		u.r.Events.AnnotatedEventf(ks, u.annotations(), corev1.EventTypeWarning, f.reason, "%s", message)
	}
}

func (u *run) succeed() {
	ks := u.ks
	message := "Applied revision: " + u.revision
	status.Ready(ks, meta.ReconciliationSucceededReason, message)
	if u.wantsHealth() {
		status.Set(ks, meta.HealthyCondition, "True", meta.SucceededReason, "Health check passed")
	} else {
		status.Remove(ks, meta.HealthyCondition)
	}
	if ks.Status.LastAppliedRevision != u.revision {
		u.r.Events.AnnotatedEventf(ks, u.annotations(), corev1.EventTypeNormal, meta.ReconciliationSucceededReason,
			"Reconciliation of revision %s finished, next run in %s", u.revision, ks.Spec.Interval.Duration)
	}
	ks.Status.LastAppliedRevision = u.revision
	ks.Status.ObservedGeneration = ks.Generation
}

func (u *run) annotations() map[string]string {
	return map[string]string{kustomizev1.GroupVersion.Group + "/revision": u.revision}
}

// next says when to come again.
func (u *run) next(err error) (ctrl.Result, error) {
	var f *failure
	switch {
	case err == nil && u.waiting:
		return ctrl.Result{}, nil // the wait's end brings it back
	case err == nil:
		return ctrl.Result{RequeueAfter: intervals.Jitter(u.ks.Spec.Interval.Duration)}, nil
	case errors.As(err, &f) && f.stalled:
		return ctrl.Result{}, nil
	case errors.As(err, &f) && f.retry > 0:
		return ctrl.Result{RequeueAfter: f.retry}, nil
	}
	return ctrl.Result{RequeueAfter: intervals.Jitter(retryInterval(u.ks))}, nil
}

// patchStatus writes the status, but for the inventory, which was written
// when it changed.
func (r *Reconciler) patchStatus(ctx context.Context, before, ks *api.Kustomization) error {
	before.Status.Inventory = ks.Status.Inventory
	return status.Patch(ctx, r.Client, before, ks)
}
