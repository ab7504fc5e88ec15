package kustomization

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// queue lets events that come from inside the process (drift, a new artifact,
// the end of a health wait) into the controller's queue.
//
// Such an event may overtake the Kustomization's own change on its way into the
// cache: somebody suspends it and then edits an object by hand, and the edit
// is heard of first. So who comes by this queue is read from the API server.
type queue struct {
	mu  sync.Mutex
	q   workqueue.TypedRateLimitingInterface[reconcile.Request]
	own map[types.NamespacedName]bool // has come by this queue
}

// start is a source of the controller.
func (q *queue) start(_ context.Context, into workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.q = into
	return nil
}

func (q *queue) add(name types.NamespacedName) { q.addAfter(name, 0) }

func (q *queue) addAfter(name types.NamespacedName, d time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.q != nil {
		if q.own == nil {
			q.own = map[types.NamespacedName]bool{}
		}
		q.own[name] = true
		q.q.AddAfter(reconcile.Request{NamespacedName: name}, d)
	}
}

// take reports whether name has come by this queue since the last call.
func (q *queue) take(name types.NamespacedName) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	own := q.own[name]
	delete(q.own, name)
	return own
}
