package images

import (
	"context"
	"time"

	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
)

// The indexes of policies by ImageRepository, and of automations by
// GitRepository.
const (
	byRepository = "spec.imageRepositoryRef"
	bySource     = "spec.sourceRef"
)

// Setup registers the three reconcilers with a manager. A scan that found other
// tags brings the policies, and a policy that chose another tag brings the
// automations of its namespace: nothing waits for an interval.
func (i *Images) Setup(ctx context.Context, mgr ctrl.Manager, concurrent int) error {
	if err := index(ctx, mgr); err != nil {
		return err
	}
	changed := builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}))
	options := controller.Options{
		MaxConcurrentReconciles: concurrent,
		RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](750*time.Millisecond, 15*time.Minute),
	}
	err := ctrl.NewControllerManagedBy(mgr).Named("imagerepository").
		For(&api.ImageRepository{}, changed).WithOptions(options).Complete(i.Durations.Of(&api.ImageRepository{}, repositories{i}))
	if err != nil {
		return err
	}
	options.RateLimiter = workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](750*time.Millisecond, 15*time.Minute)
	err = ctrl.NewControllerManagedBy(mgr).Named("imagepolicy").
		For(&api.ImagePolicy{}, changed).
		Watches(&api.ImageRepository{}, handler.EnqueueRequestsFromMapFunc(i.policiesOf), builder.WithPredicates(scanChanged)).
		WithOptions(options).Complete(i.Durations.Of(&api.ImagePolicy{}, policies{i}))
	if err != nil {
		return err
	}
	options.RateLimiter = workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](750*time.Millisecond, 15*time.Minute)
	return ctrl.NewControllerManagedBy(mgr).Named("imageupdateautomation").
		For(&api.ImageUpdateAutomation{}, changed).
		Watches(&api.ImagePolicy{}, handler.EnqueueRequestsFromMapFunc(i.automationsBeside), builder.WithPredicates(choiceChanged)).
		Watches(&api.GitRepository{}, handler.EnqueueRequestsFromMapFunc(i.automationsOf), builder.WithPredicates(commitChanged)).
		WithOptions(options).Complete(i.Durations.Of(&api.ImageUpdateAutomation{}, automations{i}))
}

func index(ctx context.Context, mgr ctrl.Manager) error {
	indexer := mgr.GetFieldIndexer()
	err := indexer.IndexField(ctx, &api.ImagePolicy{}, byRepository, func(o client.Object) []string {
		return []string{repositoryKey(o.(*api.ImagePolicy)).String()}
	})
	if err != nil {
		return err
	}
	return indexer.IndexField(ctx, &api.ImageUpdateAutomation{}, bySource, func(o client.Object) []string {
		a := o.(*api.ImageUpdateAutomation)
		return []string{client.ObjectKey{Namespace: orElse(a.Spec.SourceRef.Namespace, a.Namespace), Name: a.Spec.SourceRef.Name}.String()}
	})
}

func (i *Images) policiesOf(ctx context.Context, o client.Object) []reconcile.Request {
	list := &api.ImagePolicyList{}
	return i.requests(ctx, list, client.MatchingFields{byRepository: client.ObjectKeyFromObject(o).String()})
}

func (i *Images) automationsOf(ctx context.Context, o client.Object) []reconcile.Request {
	list := &api.ImageUpdateAutomationList{}
	return i.requests(ctx, list, client.MatchingFields{bySource: client.ObjectKeyFromObject(o).String()})
}

func (i *Images) automationsBeside(ctx context.Context, o client.Object) []reconcile.Request {
	return i.requests(ctx, &api.ImageUpdateAutomationList{}, client.InNamespace(o.GetNamespace()))
}

func (i *Images) requests(ctx context.Context, list client.ObjectList, which client.ListOption) []reconcile.Request {
	if err := i.List(ctx, list, which); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "unable to list what a change concerns")
		return nil
	}
	var out []reconcile.Request
	switch l := list.(type) {
	case *api.ImagePolicyList:
		for j := range l.Items {
			out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&l.Items[j])})
		}
	case *api.ImageUpdateAutomationList:
		for j := range l.Items {
			out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&l.Items[j])})
		}
	}
	return out
}

// onUpdate lets updates pass in which what f returns changed.
func onUpdate[T client.Object](f func(T) string) predicate.Funcs {
	return predicate.Funcs{
		CreateFunc:  func(event.CreateEvent) bool { return false },
		DeleteFunc:  func(event.DeleteEvent) bool { return false },
		GenericFunc: func(event.GenericEvent) bool { return false },
		UpdateFunc: func(e event.UpdateEvent) bool {
			older, ok1 := e.ObjectOld.(T)
			newer, ok2 := e.ObjectNew.(T)
			return ok1 && ok2 && f(older) != f(newer)
		},
	}
}

var (
	// A first scan after a start counts too: before it, policies could not
	// choose.
	scanChanged = onUpdate(func(o *api.ImageRepository) string {
		if o.Status.LastScanResult == nil {
			return ""
		}
		return o.Status.LastScanResult.ScanTime.String() + o.Status.LastScanResult.Revision
	})
	choiceChanged = onUpdate(func(o *api.ImagePolicy) string {
		if o.Status.LatestRef == nil {
			return ""
		}
		return o.Status.LatestRef.String()
	})
	commitChanged = onUpdate(func(o *api.GitRepository) string {
		if o.Status.Artifact == nil {
			return ""
		}
		return o.Status.Artifact.Revision
	})
)
