package main

import (
	"context"
	"encoding/json"
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

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
	"github.com/gitopskit/gitopskit/ssa/health"
)

const finalizer = "sites.example.com/children"

// patience is how long one reconciliation waits for the health of the children
// before it gives its place to another, and comes again.
const patience = 10 * time.Second

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
		Set:              req.String(),
		Inventory:        owned,
		OwnerLabels:      map[string]string{"example.com/site": site.GetName()},
		DefaultNamespace: site.GetNamespace(),
		Adopt:            ssa.AdoptUnowned,
		Prune:            true,
	}
	if site.GetDeletionTimestamp() != nil {
		return ctrl.Result{}, r.remove(ctx, site, opts)
	}
	before := site.DeepCopy()
	if controllerutil.AddFinalizer(site, finalizer) {
		if err := r.Patch(ctx, site, client.MergeFrom(before)); err != nil {
			return ctrl.Result{}, err
		}
	}
	ready, err := r.apply(ctx, site, opts)
	if ctx.Err() != nil {
		return ctrl.Result{}, ctx.Err()
	}
	if statusErr := r.tell(ctx, site, ready, err); statusErr != nil {
		return ctrl.Result{}, statusErr
	}
	if err == nil && !ready {
		return ctrl.Result{RequeueAfter: time.Second}, nil
	}
	return ctrl.Result{}, err
}

// apply makes the children and reports whether they are healthy.
func (r *reconciler) apply(ctx context.Context, site *unstructured.Unstructured, opts ssa.ApplyOptions) (ready bool, err error) {
	objects, err := children(site)
	if err != nil {
		return false, err
	}
	result, err := r.applier.Apply(ctx, objects, opts)
	if result.Changed() {
		ctrl.LoggerFrom(ctx).Info("applied", "changes", result.Summary())
	}
	if err != nil {
		return false, err
	}
	_, err = r.applier.Wait(ctx, result.Inventory.Entries(), health.WaitOptions{Timeout: patience})
	return err == nil, nil
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
	return client.IgnoreNotFound(r.Patch(ctx, site, client.MergeFrom(before)))
}

// tell writes the Ready condition, if it is another one.
func (r *reconciler) tell(ctx context.Context, site *unstructured.Unstructured, ready bool, failure error) error {
	c := metav1.Condition{Type: "Ready", Status: "True", Reason: "Applied", Message: "everything is there and healthy", ObservedGeneration: site.GetGeneration()}
	switch {
	case failure != nil:
		c.Status, c.Reason, c.Message = "False", "Failed", failure.Error()
	case !ready:
		c.Status, c.Reason, c.Message = "Unknown", "Progressing", "waiting for the children to become healthy"
	}
	var status struct {
		Conditions []metav1.Condition `json:"conditions"`
	}
	old, _, _ := unstructured.NestedMap(site.Object, "status")
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(old, &status); err != nil {
		return err
	}
	if !meta.SetStatusCondition(&status.Conditions, c) {
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
