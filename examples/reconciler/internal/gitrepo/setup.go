package gitrepo

import (
	"context"
	"time"

	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
)

// Setup registers the reconciler with a manager.
func (r *Reconciler) Setup(ctx context.Context, mgr ctrl.Manager, concurrent int) error {
	if err := mgr.GetFieldIndexer().IndexField(ctx, &api.GitRepository{}, byInclude, includeNames); err != nil {
		return err
	}
	changed := predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{})
	return ctrl.NewControllerManagedBy(mgr).
		For(&api.GitRepository{}, builder.WithPredicates(changed)).
		Watches(&api.GitRepository{}, handler.EnqueueRequestsFromMapFunc(r.includers), builder.WithPredicates(artifactChanged)).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: concurrent,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](750*time.Millisecond, 15*time.Minute),
		}).
		Complete(r)
}
