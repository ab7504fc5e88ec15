package sources

import (
	"strings"
	"time"

	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Setup registers the reconciler with a manager; more, if not nil, adds what
// else brings objects to it.
func (r *Reconciler) Setup(mgr ctrl.Manager, concurrent int, more func(*builder.Builder) *builder.Builder) error {
	changed := predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{})
	b := ctrl.NewControllerManagedBy(mgr).
		Named(strings.ToLower(r.Kind.Name())).
		For(r.Kind.New(), builder.WithPredicates(changed))
	if more != nil {
		b = more(b)
	}
	return b.WithOptions(controller.Options{
		MaxConcurrentReconciles: concurrent,
		RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](750*time.Millisecond, 15*time.Minute),
	}).Complete(r.Durations.Of(r.Kind.New(), r))
}
