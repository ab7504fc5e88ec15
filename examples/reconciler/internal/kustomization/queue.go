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
type queue struct {
	mu sync.Mutex
	q  workqueue.TypedRateLimitingInterface[reconcile.Request]
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
		q.q.AddAfter(reconcile.Request{NamespacedName: name}, d)
	}
}
