package kustomization

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
)

// A commit may move an object from one Kustomization to another. If the one
// that gives it up were the first to reconcile, it would delete the object, for
// the other to make it anew: a workload gone for a moment, or its data for good.
// So the objects that left a Kustomization are pruned only when the others of
// the same source have seen the revision too, and may have taken them over.

const (
	siblingsLimit = 30 * time.Second // how long to wait for the others at most
	siblingsRetry = 200 * time.Millisecond
)

// moves remembers since when each Kustomization waits to prune.
type moves struct {
	mu    sync.Mutex
	since map[types.NamespacedName]moveWait
}

type moveWait struct {
	revision string
	begun    time.Time
}

// waited returns how long a Kustomization has been waiting at a revision.
func (m *moves) waited(name types.NamespacedName, revision string, now time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.since == nil {
		m.since = map[types.NamespacedName]moveWait{}
	}
	w, ok := m.since[name]
	if !ok || w.revision != revision {
		w = moveWait{revision: revision, begun: now}
		m.since[name] = w
	}
	return now.Sub(w.begun)
}

func (m *moves) forget(name types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.since, name)
}

// mayPrune reports whether all other Kustomizations of the source have come to
// the revision, or have had their time.
func (u *run) mayPrune(ctx context.Context) bool {
	name := client.ObjectKeyFromObject(u.ks)
	if u.r.moves.waited(name, u.revision, time.Now()) > siblingsLimit {
		return true
	}
	list := &api.KustomizationList{}
	if err := u.r.List(ctx, list, client.MatchingFields{bySource: sourceKey(u.ks).String()}); err != nil {
		return false
	}
	for i := range list.Items {
		sibling := &list.Items[i]
		if client.ObjectKeyFromObject(sibling) != name && !settled(sibling, u.revision) {
			return false
		}
	}
	return true
}

// settled reports whether a Kustomization has come to a revision, or is not
// going to soon.
func settled(ks *api.Kustomization, revision string) bool {
	if ks.Spec.Suspend || !ks.DeletionTimestamp.IsZero() || ks.Status.LastAttemptedRevision == revision {
		return true
	}
	ready := apimeta.FindStatusCondition(ks.Status.Conditions, meta.ReadyCondition)
	return ready != nil && ready.Reason == meta.DependencyNotReadyReason
}

// pruned brings the Kustomization back soon if there is something to prune and
// it was not time yet.
func (u *run) pruned(done bool) error {
	left := u.result.Inventory.Len()
	for _, o := range u.result.Objects {
		if u.result.Inventory.Has(o.Ref) {
			left--
		}
	}
	if done || !u.ks.Spec.Prune || left <= 0 {
		return nil
	}
	return &failure{reason: meta.ProgressingReason, quiet: true, progressing: true, retry: siblingsRetry,
		err: fmt.Errorf("%d objects are to be pruned as soon as the other Kustomizations of the source have seen revision %s", left, u.revision)}
}
