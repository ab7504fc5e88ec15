package alerts

import (
	"context"
	"fmt"
	"time"

	notificationv1 "github.com/fluxcd/notification-controller/api/v1beta3"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
	"github.com/gitopskit/gitopskit/notify"
)

// byProvider is the index of Alerts by the Provider that they name.
const byProvider = "spec.providerRef"

// Setup registers the reconciler of Providers with a manager. Alerts bring the
// Provider that they name, and the one that they named before.
func (a *Alerts) Setup(ctx context.Context, mgr ctrl.Manager, concurrent int) error {
	err := mgr.GetFieldIndexer().IndexField(ctx, &api.Alert{}, byProvider, func(o client.Object) []string {
		return []string{o.(*api.Alert).Spec.ProviderRef.Name}
	})
	if err != nil {
		return err
	}
	changed := predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{})
	provider := func(_ context.Context, o client.Object) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: client.ObjectKey{Namespace: o.GetNamespace(), Name: o.(*api.Alert).Spec.ProviderRef.Name}}}
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("provider").
		For(&api.Provider{}, builder.WithPredicates(changed)).
		Watches(&api.Alert{}, handler.EnqueueRequestsFromMapFunc(provider), builder.WithPredicates(changed)).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: concurrent,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](750*time.Millisecond, 15*time.Minute),
		}).
		Complete(a.Durations.Of(&api.Provider{}, a))
}

// Reconcile brings the destination of one Provider up to date. Its Secrets are
// read anew at its interval. One that makes no sense keeps the destination that
// it had, and is told of.
func (a *Alerts) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	p := &api.Provider{}
	err := a.Get(ctx, req.NamespacedName, p)
	if client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, err
	}
	if apierrors.IsNotFound(err) || p.Spec.Suspend || !p.DeletionTimestamp.IsZero() {
		a.dispatcher.Remove(ctx, req.String())
		return ctrl.Result{}, nil
	}
	rules, err := a.rules(ctx, p)
	if err != nil {
		return ctrl.Result{}, err
	}
	if len(rules) == 0 {
		a.dispatcher.Remove(ctx, req.String())
		return ctrl.Result{}, nil
	}
	d, err := a.destination(ctx, p)
	if err == nil {
		d.Name, d.Rules = req.String(), rules
		err = a.dispatcher.Set(ctx, d)
	}
	if err != nil {
		a.warn(p, "ProviderFailed", err)
		return ctrl.Result{}, fmt.Errorf("the Provider can't be used: %w", err)
	}
	return ctrl.Result{RequeueAfter: interval(p)}, nil
}

func interval(p *api.Provider) time.Duration {
	if p.Spec.Interval != nil && p.Spec.Interval.Duration > 0 {
		return p.Spec.Interval.Duration
	}
	return 10 * time.Minute
}

// rules are those of all Alerts that name the Provider. One that makes no sense
// is left out, and told of.
func (a *Alerts) rules(ctx context.Context, p *api.Provider) ([]*notify.Matcher, error) {
	list := &api.AlertList{}
	if err := a.List(ctx, list, client.InNamespace(p.Namespace), client.MatchingFields{byProvider: p.Name}); err != nil {
		return nil, err
	}
	var out []*notify.Matcher
	for i := range list.Items {
		alert := &list.Items[i]
		if alert.Spec.Suspend {
			continue
		}
		m, err := a.rule(alert)
		if err != nil {
			a.warn(alert, "ValidationFailed", err)
			continue
		}
		out = append(out, m)
	}
	return out, nil
}

func (a *Alerts) rule(alert *api.Alert) (*notify.Matcher, error) {
	r := notify.Rule{
		Name: alert.Name, Namespace: alert.Namespace, Severity: notify.Severity(alert.Spec.EventSeverity),
		Inclusion: alert.Spec.InclusionList, Exclusion: alert.Spec.ExclusionList,
		Metadata: alert.Spec.EventMetadata, Summary: alert.Spec.Summary,
	}
	for i, s := range alert.Spec.EventSources {
		if a.NoCrossNamespaceRefs && s.Namespace != "" && s.Namespace != alert.Namespace {
			return nil, fmt.Errorf("spec.eventSources[%d]: the namespace %q is another: references to other namespaces are turned off on this cluster", i, s.Namespace)
		}
		r.Sources = append(r.Sources, notify.Source{Kind: s.Kind, Name: s.Name, Namespace: s.Namespace, MatchLabels: s.MatchLabels})
	}
	return notify.Compile(r)
}

// isCommitStatus reports whether a type of Provider takes commitStatusExpr.
func isCommitStatus(t string) bool {
	switch t {
	case notificationv1.GitHubProvider, notificationv1.GitLabProvider, notificationv1.GiteaProvider,
		notificationv1.BitbucketProvider, notificationv1.BitbucketServerProvider, notificationv1.AzureDevOpsProvider:
		return true
	}
	return false
}
