package kustomization

import (
	"context"
	"fmt"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/status"
	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
)

// forget drops what is kept in memory of a Kustomization that is gone.
func (r *Reconciler) forget(name types.NamespacedName) {
	r.waits.cancel(name)
	r.moves.forget(name)
	r.Applier.Forget(setName(name))
}

// finalize does with the objects of a Kustomization that is being deleted what
// its deletion policy says, and lets it go.
func (r *Reconciler) finalize(ctx context.Context, ks *api.Kustomization) (ctrl.Result, error) {
	name := client.ObjectKeyFromObject(ks)
	r.waits.cancel(name)
	if !controllerutil.ContainsFinalizer(ks, kustomizev1.KustomizationFinalizer) {
		return ctrl.Result{}, nil
	}
	if deletesObjects(ks) {
		if err := r.deleteObjects(ctx, ks); err != nil {
			before := ks.DeepCopy()
			status.Failed(ks, meta.PruneFailedReason, err.Error())
			r.Events.Event(ks, corev1.EventTypeWarning, meta.PruneFailedReason, err.Error())
			if patchErr := status.Patch(ctx, r.Client, before, ks); patchErr != nil {
				return ctrl.Result{}, patchErr
			}
			return ctrl.Result{}, err
		}
	}
	r.forget(name)
	r.inventories.forget(ks.UID)
	controllerutil.RemoveFinalizer(ks, kustomizev1.KustomizationFinalizer)
	return ctrl.Result{}, client.IgnoreNotFound(r.Update(ctx, ks))
}

// deletesObjects reports whether the deletion policy asks for the deletion of
// what was applied. A suspended Kustomization leaves everything in place.
func deletesObjects(ks *api.Kustomization) bool {
	if ks.Spec.Suspend {
		return false
	}
	switch ks.Spec.DeletionPolicy {
	case kustomizev1.DeletionPolicyDelete, kustomizev1.DeletionPolicyWaitForTermination:
		return true
	case kustomizev1.DeletionPolicyOrphan:
		return false
	}
	return ks.Spec.Prune
}

func (r *Reconciler) deleteObjects(ctx context.Context, ks *api.Kustomization) error {
	applier, err := r.applierFor(ks)
	if err != nil {
		return err
	}
	before := r.inventories.store(r, ks)
	owned, err := before.Load(ctx)
	if err != nil {
		return err
	}
	result, err := applier.Apply(ctx, nil, ssa.ApplyOptions{
		Set: setName(client.ObjectKeyFromObject(ks)), Inventory: before, OwnerLabels: ownerLabels(ks), Prune: true,
	})
	if err != nil {
		return err
	}
	if ks.Spec.DeletionPolicy == kustomizev1.DeletionPolicyWaitForTermination {
		return r.awaitDeletion(ctx, applier, pruned(owned, result), ks)
	}
	return nil
}

func pruned(owned *inventory.Inventory, result *ssa.Result) []inventory.Entry {
	var out []inventory.Entry
	for _, o := range result.Objects {
		if e, ok := owned.Get(o.Ref); ok && o.Action == ssa.Prune {
			e.UID = o.UID
			out = append(out, e)
		}
	}
	return out
}

func (r *Reconciler) awaitDeletion(ctx context.Context, applier *ssa.Applier, gone []inventory.Entry, ks *api.Kustomization) error {
	if err := applier.WaitGone(ctx, gone, timeout(ks)); err != nil {
		return fmt.Errorf("objects are still terminating: %w", err)
	}
	return nil
}
