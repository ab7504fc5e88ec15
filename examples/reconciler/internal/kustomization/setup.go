package kustomization

import (
	"context"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	ctrlsource "sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/artifacts"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/status"
)

const (
	bySource     = "spec.sourceRef"
	byDependency = "spec.dependsOn"
)

// Setup registers the reconciler with a manager, and what brings
// Kustomizations to it: their own changes, new artifacts, dependencies that
// became ready, drift, and ends of health waits.
func (r *Reconciler) Setup(ctx context.Context, mgr ctrl.Manager, concurrent int) error {
	if err := index(ctx, mgr); err != nil {
		return err
	}
	r.Artifacts.Listen(func(k artifacts.Key) { r.enqueue(bySource, k.String()) })
	if err := mgr.Add(manager.RunnableFunc(r.watchDrift)); err != nil {
		return err
	}
	changed := predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{})
	return ctrl.NewControllerManagedBy(mgr).
		For(&api.Kustomization{}, builder.WithPredicates(changed)).
		Watches(&api.Kustomization{}, handler.EnqueueRequestsFromMapFunc(r.dependents), builder.WithPredicates(readyChanged)).
		Watches(&api.GitRepository{}, r.waitingFor(sourcev1.GitRepositoryKind), builder.WithPredicates(sourceChanged)).
		Watches(&api.OCIRepository{}, r.waitingFor(sourcev1.OCIRepositoryKind), builder.WithPredicates(sourceChanged)).
		Watches(&api.Bucket{}, r.waitingFor(sourcev1.BucketKind), builder.WithPredicates(sourceChanged)).
		WatchesRawSource(ctrlsource.Func(r.queue.start)).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: concurrent,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](750*time.Millisecond, 15*time.Minute),
		}).
		Complete(r.Durations.Of(&api.Kustomization{}, r))
}

func index(ctx context.Context, mgr ctrl.Manager) error {
	indexer := mgr.GetFieldIndexer()
	err := indexer.IndexField(ctx, &api.Kustomization{}, bySource, func(o client.Object) []string {
		return []string{sourceKey(o.(*api.Kustomization)).String()}
	})
	if err != nil {
		return err
	}
	return indexer.IndexField(ctx, &api.Kustomization{}, byDependency, func(o client.Object) []string {
		ks := o.(*api.Kustomization)
		var out []string
		for _, d := range ks.Spec.DependsOn {
			out = append(out, dependencyKey(ks, d.Namespace, d.Name).String())
		}
		return out
	})
}

// enqueue brings all Kustomizations that an index lists under key.
func (r *Reconciler) enqueue(field, key string) {
	for _, name := range r.indexed(context.Background(), field, key) {
		r.queue.add(name)
	}
}

func (r *Reconciler) indexed(ctx context.Context, field, key string) []types.NamespacedName {
	list := &api.KustomizationList{}
	if err := r.List(ctx, list, client.MatchingFields{field: key}); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "unable to list Kustomizations", "index", field, "key", key)
		return nil
	}
	var out []types.NamespacedName
	for i := range list.Items {
		out = append(out, client.ObjectKeyFromObject(&list.Items[i]))
	}
	return out
}

// dependents are the Kustomizations that depend on another.
func (r *Reconciler) dependents(ctx context.Context, o client.Object) []reconcile.Request {
	var out []reconcile.Request
	for _, name := range r.indexed(ctx, byDependency, client.ObjectKeyFromObject(o).String()) {
		out = append(out, reconcile.Request{NamespacedName: name})
	}
	return out
}

// waitingFor are the Kustomizations that use a source which has no artifact:
// they tell why it has none.
func (r *Reconciler) waitingFor(kind string) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []reconcile.Request {
		key := artifacts.Key{Kind: kind, Namespace: o.GetNamespace(), Name: o.GetName()}
		if r.Artifacts.Get(key) != nil {
			return nil
		}
		var out []reconcile.Request
		for _, name := range r.indexed(ctx, bySource, key.String()) {
			out = append(out, reconcile.Request{NamespacedName: name})
		}
		return out
	})
}

// sourceChanged lets changes of a source's Ready condition pass.
var sourceChanged = predicate.Funcs{
	CreateFunc:  func(event.CreateEvent) bool { return true },
	DeleteFunc:  func(event.DeleteEvent) bool { return true },
	GenericFunc: func(event.GenericEvent) bool { return false },
	UpdateFunc: func(e event.UpdateEvent) bool {
		older, ok1 := e.ObjectOld.(status.Object)
		newer, ok2 := e.ObjectNew.(status.Object)
		return ok1 && ok2 && status.Message(older) != status.Message(newer)
	},
}

// readyChanged lets updates pass that may make a dependency ready.
var readyChanged = predicate.Funcs{
	CreateFunc:  func(event.CreateEvent) bool { return false },
	DeleteFunc:  func(event.DeleteEvent) bool { return false },
	GenericFunc: func(event.GenericEvent) bool { return false },
	UpdateFunc: func(e event.UpdateEvent) bool {
		older, ok1 := e.ObjectOld.(*api.Kustomization)
		newer, ok2 := e.ObjectNew.(*api.Kustomization)
		return ok1 && ok2 && (ready(older) != ready(newer) || older.Status.LastAppliedRevision != newer.Status.LastAppliedRevision)
	},
}

func ready(ks *api.Kustomization) bool {
	return apimeta.IsStatusConditionTrue(ks.Status.Conditions, meta.ReadyCondition) && ks.Status.ObservedGeneration == ks.Generation
}
