package kustomization

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
)

const (
	// fightWindow and fightLimit tell a change from a fight: an object that
	// drifts more often than this is contested by another controller, and is put
	// right ever more slowly, so that neither wears out the API server.
	fightWindow = time.Minute
	fightLimit  = 20
	fightMax    = 5 * time.Minute
)

// fights counts how often objects drift.
type fights struct {
	mu    sync.Mutex
	times map[inventory.Ref][]time.Time
}

// delay records a drift and returns how long to wait before putting it right.
func (f *fights) delay(ref inventory.Ref, now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.times == nil {
		f.times = map[inventory.Ref][]time.Time{}
	}
	recent := f.times[ref][:0]
	for _, t := range f.times[ref] {
		if now.Sub(t) < fightWindow+fightMax {
			recent = append(recent, t)
		}
	}
	recent = append(recent, now)
	f.times[ref] = recent
	over := len(recent) - fightLimit
	if over <= 0 {
		return 0
	}
	return min(time.Second<<min(over, 10), fightMax)
}

// watchDrift puts objects right as soon as somebody changes them, until ctx
// ends.
func (r *Reconciler) watchDrift(ctx context.Context) error {
	var seen fights
	err := r.Applier.Watch(ctx, ssa.WatchOptions{OnDrift: func(d ssa.Drift) {
		namespace, name, _ := strings.Cut(d.Set, "/")
		r.queue.addAfter(types.NamespacedName{Namespace: namespace, Name: name}, seen.delay(d.Ref, time.Now()))
	}})
	r.waits.stop()
	if errors.Is(err, context.Canceled) {
		err = nil // the manager stops
	}
	return err
}
