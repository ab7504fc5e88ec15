// Package metrics tells Prometheus how the objects of a cluster fare, by the
// names that Flux's dashboards and alerts know.
package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fluxcd/pkg/apis/meta"
)

var (
	condition = prometheus.NewDesc("gotk_reconcile_condition", "The current condition status of an object.",
		[]string{"kind", "name", "namespace", "type", "status"}, nil)
	suspended = prometheus.NewDesc("gotk_suspend_status", "Whether an object is suspended.",
		[]string{"kind", "name", "namespace"}, nil)
)

// Objects reads the states of all objects from a cache when it is asked: what
// was deleted is not told of any more.
type Objects struct {
	Client client.Client
	// Lists are empty lists of the kinds.
	Lists []client.ObjectList
}

var _ prometheus.Collector = (*Objects)(nil)

// Describe implements prometheus.Collector.
func (c *Objects) Describe(out chan<- *prometheus.Desc) { out <- condition; out <- suspended }

// Collect implements prometheus.Collector.
func (c *Objects) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, empty := range c.Lists {
		list := empty.DeepCopyObject().(client.ObjectList)
		if err := c.Client.List(ctx, list); err != nil {
			continue // the caches are not filled yet
		}
		_ = apimeta.EachListItem(list, func(o runtime.Object) error {
			c.tell(out, o.(client.Object))
			return nil
		})
	}
}

// An object with these methods has conditions, or can be suspended.
type (
	conditioned interface{ GetConditions() []metav1.Condition }
	suspendable interface{ IsSuspended() bool }
)

func (c *Objects) tell(out chan<- prometheus.Metric, o client.Object) {
	gvk, err := apiutil.GVKForObject(o, c.Client.Scheme())
	if err != nil {
		return
	}
	who := []string{gvk.Kind, o.GetName(), o.GetNamespace()}
	if s, ok := o.(suspendable); ok {
		out <- prometheus.MustNewConstMetric(suspended, prometheus.GaugeValue, one(s.IsSuspended()), who...)
	}
	r, ok := o.(conditioned)
	if !ok {
		return
	}
	ready := metav1.ConditionUnknown
	if found := apimeta.FindStatusCondition(r.GetConditions(), meta.ReadyCondition); found != nil {
		ready = found.Status
	}
	for _, s := range []metav1.ConditionStatus{metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionUnknown} {
		out <- prometheus.MustNewConstMetric(condition, prometheus.GaugeValue, one(s == ready), append(who, meta.ReadyCondition, string(s))...)
	}
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// Durations is how long reconciliations took.
type Durations struct {
	client    client.Client
	histogram *prometheus.HistogramVec
}

// NewDurations makes the histogram gotk_reconcile_duration_seconds.
func NewDurations(c client.Client) *Durations {
	return &Durations{c, prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "gotk_reconcile_duration_seconds", Help: "The duration in seconds of reconciliations.",
		Buckets: prometheus.ExponentialBuckets(0.01, 2, 15),
	}, []string{"kind", "name", "namespace"})}
}

// Collector is what is registered.
func (d *Durations) Collector() prometheus.Collector { return d.histogram }

// Of times the reconciliations of a kind, of which empty is an object, for as
// long as the object is there.
func (d *Durations) Of(empty client.Object, r reconcile.Reconciler) reconcile.Reconciler {
	return reconcile.Func(func(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
		gvk, err := apiutil.GVKForObject(empty, d.client.Scheme())
		if err != nil {
			return reconcile.Result{}, err
		}
		started := time.Now()
		result, failed := r.Reconcile(ctx, req)
		took := time.Since(started).Seconds()
		err = d.client.Get(ctx, req.NamespacedName, empty.DeepCopyObject().(client.Object))
		if apierrors.IsNotFound(err) {
			d.histogram.DeleteLabelValues(gvk.Kind, req.Name, req.Namespace)
		} else {
			d.histogram.WithLabelValues(gvk.Kind, req.Name, req.Namespace).Observe(took)
		}
		return result, failed
	})
}
