package kustomization

import (
	"context"
	"fmt"
	"strings"
	"sync"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
	"github.com/gitopskit/gitopskit/ssa"
)

// FieldManager is the name under which fields are owned, Flux's own, so that
// clusters can change over in either direction.
const FieldManager = "kustomize-controller"

// MarkPrefix begins the marks of objects.
const MarkPrefix = "kustomize.toolkit.fluxcd.io/"

// ownerLabels tell which Kustomization an object belongs to.
func ownerLabels(ks client.Object) map[string]string {
	return map[string]string{
		kustomizev1.GroupVersion.Group + "/name":      ks.GetName(),
		kustomizev1.GroupVersion.Group + "/namespace": ks.GetNamespace(),
	}
}

// OwnerSelector matches every object that has been applied for some
// Kustomization.
const OwnerSelector = "kustomize.toolkit.fluxcd.io/name"

// setName names a Kustomization's set of objects.
func setName(key client.ObjectKey) string { return key.String() }

// apply makes the cluster match the objects.
func (u *run) apply(ctx context.Context, applier *ssa.Applier, objects []*unstructured.Unstructured) error {
	key := client.ObjectKeyFromObject(u.ks)
	prune := u.ks.Spec.Prune && u.mayPrune(ctx)
	result, err := applier.Apply(ctx, objects, ssa.ApplyOptions{
		Set:               setName(key),
		Inventory:         u.r.inventories.store(u.r, u.ks),
		OwnerLabels:       ownerLabels(u.ks),
		Prune:             prune,
		RecreateImmutable: u.ks.Spec.Force,
		Ignore:            ignoreRules(u.ks.Spec.Ignore),
		Diff:              true,
	})
	u.result = result
	u.report()
	if err == nil {
		return u.pruned(prune)
	}
	u.nameFiles(ctx, result)
	reason := meta.ReconciliationFailedReason
	for _, o := range result.Failed() {
		if o.Action == ssa.Prune {
			reason = meta.PruneFailedReason
		}
	}
	return &failure{reason: reason, err: err}
}

func ignoreRules(in []kustomizev1.IgnoreRule) []ssa.IgnoreRule {
	var out []ssa.IgnoreRule
	for _, r := range in {
		rule := ssa.IgnoreRule{Paths: r.Paths}
		if t := r.Target; t != nil {
			rule.Target = ssa.Selector{
				Group: t.Group, Version: t.Version, Kind: t.Kind, Namespace: t.Namespace, Name: t.Name,
				Labels: t.LabelSelector, Annotations: t.AnnotationSelector,
			}
		}
		out = append(out, rule)
	}
	return out
}

// report tells by an event what was changed.
func (u *run) report() {
	if !u.result.Changed() {
		return
	}
	var b strings.Builder
	for _, o := range u.result.Objects {
		if o.Err == nil && o.Action != ssa.Unchanged && o.Action != ssa.Skip && o.Action != ssa.None {
			fmt.Fprintf(&b, "%s %s\n", o.Ref, past[o.Action])
			for _, c := range o.Diff {
				fmt.Fprintf(&b, "  %s\n", c)
			}
		}
	}
	const most = 900 // events have room for 1,024 bytes
	text := strings.TrimSpace(b.String())
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	u.r.Events.AnnotatedEventf(u.ks, u.annotations(), corev1.EventTypeNormal, meta.ProgressingReason, "%s", text)
}

var past = map[ssa.Action]string{ssa.Create: "created", ssa.Update: "configured", ssa.Recreate: "recreated", ssa.Prune: "deleted"}

// accounts keeps the Appliers that act as service accounts.
type accounts struct {
	mu       sync.Mutex
	appliers map[string]*ssa.Applier
}

// applier returns the Applier to use: the reconciler's own, or one that may do
// no more than the service account that the Kustomization names.
func (u *run) applier() (*ssa.Applier, error) {
	a, err := u.r.applierFor(u.ks)
	if err != nil {
		return nil, &failure{reason: meta.ReconciliationFailedReason, err: err}
	}
	return a, nil
}

func (r *Reconciler) applierFor(ks *api.Kustomization) (*ssa.Applier, error) {
	name := orElse(ks.Spec.ServiceAccountName, r.DefaultServiceAccount)
	if name == "" {
		return r.Applier, nil
	}
	user := fmt.Sprintf("system:serviceaccount:%s:%s", ks.Namespace, name)
	r.accounts.mu.Lock()
	defer r.accounts.mu.Unlock()
	if a, ok := r.accounts.appliers[user]; ok {
		return a, nil
	}
	a, err := r.Applier.As(rest.ImpersonationConfig{UserName: user, Groups: []string{
		"system:serviceaccounts", "system:serviceaccounts:" + ks.Namespace, "system:authenticated",
	}})
	if err != nil {
		return nil, err
	}
	if r.accounts.appliers == nil {
		r.accounts.appliers = map[string]*ssa.Applier{}
	}
	r.accounts.appliers[user] = a
	return a, nil
}
