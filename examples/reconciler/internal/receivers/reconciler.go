// Package receivers asks for reconciliations when webhooks say that something
// has changed, as Receiver objects want it.
package receivers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	receiverv1 "github.com/fluxcd/notification-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/metrics"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/sources"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/status"
	"github.com/gitopskit/gitopskit/notify/receiver"
)

// Reconciler keeps the paths of a handler at what the Receivers of the cluster
// say.
type Reconciler struct {
	client.Client
	// NoCrossNamespaceRefs refuses resources of other namespaces.
	NoCrossNamespaceRefs bool
	// Durations times reconciliations.
	Durations *metrics.Durations
	// Handler serves /hook/…
	Handler *receiver.Handler
}

// New makes a reconciler with its handler.
func New(c client.Client, durations *metrics.Durations, log *slog.Logger) *Reconciler {
	return &Reconciler{Client: c, Durations: durations, Handler: receiver.New(receiver.Options{Cluster: cluster{c}, Logger: log})}
}

// Setup registers the reconciler with a manager.
func (r *Reconciler) Setup(mgr ctrl.Manager, concurrent int) error {
	changed := predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{})
	return ctrl.NewControllerManagedBy(mgr).
		For(&api.Receiver{}, builder.WithPredicates(changed)).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrent}).
		Complete(r.Durations.Of(&api.Receiver{}, r))
}

// Reconcile brings the path of one Receiver up to date. Its Secret is read anew
// at its interval.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	o := &api.Receiver{}
	err := r.Get(ctx, req.NamespacedName, o)
	if client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, err
	}
	if apierrors.IsNotFound(err) || !o.DeletionTimestamp.IsZero() {
		r.Handler.Remove(req.Name, req.Namespace)
		return ctrl.Result{}, nil
	}
	before := o.DeepCopy()
	o = o.DeepCopy()
	err = r.set(ctx, o)
	var f *sources.Failure
	stalled := errors.As(err, &f) && f.Stalled
	switch {
	case err == nil:
		status.Ready(o, meta.SucceededReason, "Receiver initialized for path: "+o.Status.WebhookPath)
	case stalled:
		status.Stalled(o, f.Reason, err.Error())
	default:
		status.Failed(o, meta.FailedReason, err.Error())
	}
	o.Status.ObservedGeneration = o.Generation
	if at, ok := meta.ReconcileAnnotationValue(o.Annotations); ok {
		o.Status.SetLastHandledReconcileRequest(at)
	}
	if err := status.Patch(ctx, r.Client, before, o); err != nil {
		return ctrl.Result{}, err
	}
	if stalled {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{RequeueAfter: interval(o)}, err
}

func interval(o *api.Receiver) time.Duration {
	if o.Spec.Interval != nil && o.Spec.Interval.Duration > 0 {
		return o.Spec.Interval.Duration
	}
	return 10 * time.Minute
}

// set gives the handler what the Receiver says. One that makes no sense answers
// no longer.
func (r *Reconciler) set(ctx context.Context, o *api.Receiver) error {
	c, err := r.config(ctx, o)
	if err == nil {
		o.Status.WebhookPath, err = r.Handler.Set(c)
		if err != nil {
			err = sources.Stalled("InvalidSpec", err)
		}
	}
	if err != nil {
		r.Handler.Remove(o.Name, o.Namespace)
		o.Status.WebhookPath = ""
	}
	return err
}

func (r *Reconciler) config(ctx context.Context, o *api.Receiver) (receiver.Config, error) {
	c := receiver.Config{Type: o.Spec.Type, Name: o.Name, Namespace: o.Namespace, Events: o.Spec.Events, Suspended: o.Spec.Suspend}
	if o.Spec.Type == receiverv1.GenericOIDCReceiver {
		return c, sources.Unsupported("spec.type generic-oidc", "use generic-hmac")
	}
	data, err := sources.Secret(ctx, r, o.Namespace, o.Spec.SecretRef)
	if err != nil {
		return c, err
	}
	c.Token, c.Email, c.Audience = string(data["token"]), string(data["email"]), string(data["audience"])
	if c.Token == "" && o.Spec.SecretRef != nil {
		return c, fmt.Errorf("the Secret %s/%s has no token: add the key token with a long random text", o.Namespace, o.Spec.SecretRef.Name)
	}
	for i, res := range o.Spec.Resources {
		if !known(res.Kind) {
			return c, sources.Unsupported(fmt.Sprintf("spec.resources[%d].kind %s", i, res.Kind), "remove it")
		}
		namespace := res.Namespace
		if namespace == "" {
			namespace = o.Namespace
		}
		if r.NoCrossNamespaceRefs && namespace != o.Namespace {
			return c, sources.Stalled("AccessDenied", fmt.Errorf("spec.resources[%d]: the namespace %q is another: references to other namespaces are turned off on this cluster", i, namespace))
		}
		c.Resources = append(c.Resources, receiver.Resource{
			APIVersion: res.APIVersion, Kind: res.Kind, Namespace: namespace, Name: res.Name, MatchLabels: res.MatchLabels,
		})
	}
	c.Filter, err = newFilter(o)
	return c, err
}
