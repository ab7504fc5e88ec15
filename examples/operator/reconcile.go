package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
	"github.com/gitopskit/gitopskit/ssa/health"
)

const finalizer = "sites.example.com/children"

// A reconciliation waits for the health of the children for so long before it
// gives its place to another Site, and comes again after as long a time. Sites
// that never become healthy so don't keep the others from being looked after.
const patience = 3 * time.Second

// reconciler makes what Sites want. What it has made is in the status of each
// Site, so that it is taken away when the Site no longer wants it or is gone.
type reconciler struct {
	client.Client
	cfg     *rest.Config
	applier *ssa.Applier
}

// Reconcile makes the children of one Site as they should be.
func (r *reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	site := newSite()
	if err := r.Get(ctx, req.NamespacedName, site); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	owned, err := inventory.NewStatus(r.cfg, sites, site.GetNamespace(), site.GetName())
	if err != nil {
		return ctrl.Result{}, err
	}
	opts := ssa.ApplyOptions{
		Set:              req.String(), // by which drift is reported, and what is in sync is known
		Inventory:        owned,        // what has been made, written down before it is made
		OwnerLabels:      map[string]string{"example.com/site": site.GetName()},
		DefaultNamespace: site.GetNamespace(),
		Adopt:            ssa.AdoptUnowned, // what another Site has made is not taken from it
		Prune:            true,             // what the Site no longer wants goes
	}
	if site.GetDeletionTimestamp() != nil {
		return ctrl.Result{}, r.remove(ctx, site, opts)
	}
	before := site.DeepCopy()
	if controllerutil.AddFinalizer(site, finalizer) { // first of all: from here on there may be children
		if err := r.Patch(ctx, site, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
			return ctrl.Result{}, err
		}
	}
	missing, err := r.apply(ctx, site, opts)
	if ctx.Err() != nil {
		return ctrl.Result{}, ctx.Err() // the operator ends: that is not the Site's fault
	}
	if statusErr := r.tell(ctx, site, missing, err); statusErr != nil {
		return ctrl.Result{}, statusErr
	}
	if err == nil && len(missing) > 0 {
		return ctrl.Result{RequeueAfter: patience}, nil
	}
	return ctrl.Result{}, err
}

// apply makes the children, and returns those that are not healthy.
func (r *reconciler) apply(ctx context.Context, site *unstructured.Unstructured, opts ssa.ApplyOptions) (missing []health.Observation, err error) {
	objects, err := children(site)
	if err != nil {
		return nil, reconcile.TerminalError(err) // only another spec will help: it is not tried again
	}
	result, err := r.applier.Apply(ctx, objects, opts)
	if result.Changed() { // the result is there also where it failed halfway
		ctrl.LoggerFrom(ctx).Info("applied", "changes", result.Summary())
	}
	if err != nil {
		return nil, err
	}
	_, err = r.applier.Wait(ctx, result.Inventory.Entries(), health.WaitOptions{Timeout: patience})
	var unready *health.WaitError
	if errors.As(err, &unready) {
		return unready.Missing, nil
	}
	return nil, err
}

// remove takes everything away that was made for a Site.
func (r *reconciler) remove(ctx context.Context, site *unstructured.Unstructured, opts ssa.ApplyOptions) error {
	if !controllerutil.ContainsFinalizer(site, finalizer) {
		return nil
	}
	if _, err := r.applier.Apply(ctx, nil, opts); err != nil {
		return err
	}
	r.applier.Forget(opts.Set)
	before := site.DeepCopy()
	controllerutil.RemoveFinalizer(site, finalizer)
	return client.IgnoreNotFound(r.Patch(ctx, site, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})))
}

// ready returns the Ready condition, which says what is missing and why.
func ready(site *unstructured.Unstructured, missing []health.Observation, failure error) metav1.Condition {
	c := metav1.Condition{Type: "Ready", Status: "True", Reason: "Applied", Message: "everything is there and healthy", ObservedGeneration: site.GetGeneration()}
	switch {
	case failure != nil:
		c.Status, c.Reason, c.Message = "False", "Failed", strings.TrimPrefix(failure.Error(), "terminal error: ")
	case len(missing) > 0 && missing[0].Status == health.Failed: // failed ones come first
		c.Status, c.Reason, c.Message = "False", "Unhealthy", missing[0].String()
	case len(missing) > 0:
		c.Status, c.Reason, c.Message = "Unknown", "Progressing", missing[0].String()
	}
	return c
}

// tell writes the Ready condition, if it is another one.
func (r *reconciler) tell(ctx context.Context, site *unstructured.Unstructured, missing []health.Observation, failure error) error {
	var status struct {
		Conditions []metav1.Condition `json:"conditions"`
	}
	old, _, _ := unstructured.NestedMap(site.Object, "status")
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(old, &status); err != nil {
		return err
	}
	if !meta.SetStatusCondition(&status.Conditions, ready(site, missing, failure)) {
		return nil
	}
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"observedGeneration": site.GetGeneration(), "conditions": status.Conditions}})
	if err != nil {
		return err
	}
	return client.IgnoreNotFound(r.Status().Patch(ctx, site, client.RawPatch("application/merge-patch+json", patch)))
}

// watch sends Sites whose children somebody has changed, until ctx ends.
func (r *reconciler) watch(ctx context.Context, drifted chan<- event.GenericEvent) error {
	err := r.applier.Watch(ctx, ssa.WatchOptions{OnDrift: func(d ssa.Drift) {
		site := newSite()
		namespace, name, _ := strings.Cut(d.Set, "/")
		site.SetNamespace(namespace)
		site.SetName(name)
		select {
		case drifted <- event.GenericEvent{Object: site}:
		case <-ctx.Done():
		}
	}})
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("watch the children: %w", err)
	}
	return nil
}

func newSite() *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(sites.GroupVersion().WithKind("Site"))
	return u
}
