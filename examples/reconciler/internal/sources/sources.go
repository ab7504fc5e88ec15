// Package sources reconciles the objects that name a source, of whatever kind:
// it keeps the artifact of each at what the source has.
package sources

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/artifacts"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/intervals"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/metrics"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/status"
	"github.com/gitopskit/gitopskit/source"
)

// An Object names a source.
type Object interface {
	status.Object
	GetArtifact() *meta.Artifact
	SetArtifact(*meta.Artifact)
	GetInterval() time.Duration
	IsSuspended() bool
	SetObservedGeneration(int64)
	GetLastHandledReconcileRequest() string
	SetLastHandledReconcileRequest(string)
}

// A Kind is what tells one kind of source from another.
type Kind interface {
	// Name is that of the kind, such as GitRepository.
	Name() string
	// New returns an empty object.
	New() Object
	// Fetch returns what the source has now, which is have where nothing is
	// new. Have is nil if nothing was fetched yet, and if the object changed
	// since.
	Fetch(ctx context.Context, o Object, have *source.Artifact) (*source.Artifact, error)
	// Published writes into the status what it says of a published artifact
	// beyond what all kinds say.
	Published(o Object, a *source.Artifact)
	// FailedReason is the reason for failures that have none of their own.
	FailedReason() string
}

// Reconciler reconciles the objects of one kind.
type Reconciler struct {
	client.Client
	Kind      Kind
	Events    record.EventRecorder
	Artifacts *artifacts.Registry
	Storage   *Storage
	Durations *metrics.Durations

	mu      sync.Mutex
	fetched map[artifacts.Key]int64 // generation of the object whose artifact is registered
}

// key is that under which the artifact of an object is registered.
func (r *Reconciler) key(o client.Object) artifacts.Key {
	return artifacts.Key{Kind: r.Kind.Name(), Namespace: o.GetNamespace(), Name: o.GetName()}
}

// Reconcile brings the artifact of one object up to date.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	o := r.Kind.New()
	if err := r.Get(ctx, req.NamespacedName, o); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !o.GetDeletionTimestamp().IsZero() {
		return ctrl.Result{}, r.finalize(ctx, o)
	}
	if controllerutil.AddFinalizer(o, sourcev1.SourceFinalizer) {
		return ctrl.Result{}, r.Update(ctx, o)
	}
	if o.IsSuspended() {
		return ctrl.Result{}, nil
	}
	before := o.DeepCopyObject().(Object)
	o = o.DeepCopyObject().(Object)
	err := r.sync(ctx, o)
	if ctx.Err() != nil {
		return ctrl.Result{}, ctx.Err()
	}
	if at, ok := meta.ReconcileAnnotationValue(o.GetAnnotations()); ok {
		o.SetLastHandledReconcileRequest(at)
	}
	if patchErr := status.Patch(ctx, r.Client, before, o); patchErr != nil {
		return ctrl.Result{}, patchErr
	}
	var f *Failure
	if errors.As(err, &f) && f.Stalled {
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: intervals.Jitter(o.GetInterval())}, nil
}

func (r *Reconciler) finalize(ctx context.Context, o Object) error {
	r.Artifacts.Delete(r.key(o))
	r.mu.Lock()
	delete(r.fetched, r.key(o))
	r.mu.Unlock()
	if err := r.Storage.removeAll(r.key(o)); err != nil {
		return err
	}
	if controllerutil.RemoveFinalizer(o, sourcev1.SourceFinalizer) {
		return client.IgnoreNotFound(r.Update(ctx, o))
	}
	return nil
}

// sync fetches what is there now and sets the conditions.
func (r *Reconciler) sync(ctx context.Context, o Object) error {
	artifact, err := r.fetch(ctx, o)
	if err == nil {
		err = r.publish(ctx, o, artifact)
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	f := r.failure(err)
	message := err.Error()
	if f.Stalled {
		status.Stalled(o, f.Reason, message)
	} else {
		status.Failed(o, f.Reason, message)
	}
	status.Set(o, f.Condition, metav1.ConditionTrue, f.Reason, message)
	if errors.Is(err, source.ErrVerification) {
		status.Set(o, sourcev1.SourceVerifiedCondition, metav1.ConditionFalse, f.Reason, message)
	}
	o.SetObservedGeneration(o.GetGeneration())
	r.Events.Event(o, corev1.EventTypeWarning, f.Reason, message)
	return err
}

// fetch asks the kind.
func (r *Reconciler) fetch(ctx context.Context, o Object) (*source.Artifact, error) {
	have := r.Artifacts.Get(r.key(o))
	r.mu.Lock()
	if r.fetched[r.key(o)] != o.GetGeneration() {
		have = nil // other patterns, keys or paths may apply
	}
	r.mu.Unlock()
	a, err := r.Kind.Fetch(ctx, o, have)
	if err == nil && have != nil && a.Revision() == have.Revision() && a.ContentDigest() == have.ContentDigest() {
		return have, nil
	}
	return a, err
}

// publish stores the artifact, registers it and writes it into the status.
func (r *Reconciler) publish(ctx context.Context, o Object, a *source.Artifact) error {
	stored, err := r.Storage.put(ctx, r.key(o), a)
	if err != nil {
		return err
	}
	old := o.GetArtifact()
	changed := old == nil || old.Revision != stored.Revision || old.Digest != stored.Digest
	if changed {
		o.SetArtifact(stored)
	}
	o.SetObservedGeneration(o.GetGeneration())
	r.mu.Lock()
	if r.fetched == nil {
		r.fetched = map[artifacts.Key]int64{}
	}
	r.fetched[r.key(o)] = o.GetGeneration()
	r.mu.Unlock()
	r.Kind.Published(o, a)
	message := fmt.Sprintf("stored artifact for revision '%s'", a.Revision())
	status.Remove(o, sourcev1.FetchFailedCondition, sourcev1.StorageOperationFailedCondition, sourcev1.IncludeUnavailableCondition)
	status.Set(o, sourcev1.ArtifactInStorageCondition, metav1.ConditionTrue, meta.SucceededReason, message)
	status.Ready(o, meta.SucceededReason, message)
	if changed {
		r.Events.AnnotatedEventf(o, map[string]string{sourcev1.GroupVersion.Group + "/revision": string(a.Revision())},
			corev1.EventTypeNormal, "NewArtifact", "%s", message)
	}
	if changed || r.Artifacts.Get(r.key(o)) != a {
		r.Artifacts.Put(r.key(o), a)
	}
	return nil
}
