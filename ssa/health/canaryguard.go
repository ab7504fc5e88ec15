package health

import (
	"context"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitopskit/gitopskit/inventory"
)

// lookAgain is how often a canary is looked at that has not seen a change. It
// tells of that itself as soon as it has; only a change that is taken back is not
// told by anybody.
const (
	lookAgain = 3 * time.Second
	lookTick  = time.Second
)

var canaryKind = schema.GroupKind{Group: "flagger.app", Kind: "Canary"}

// canaryGuard holds back what canaries say until they have seen their target as
// it is.
type canaryGuard struct {
	w     *Waiter
	board *board

	mu   sync.Mutex
	held map[inventory.Ref]heldCanary
}

// A heldCanary is what was last seen of a canary, and since when, or looked at.
type heldCanary struct {
	canary *unstructured.Unstructured
	since  time.Time
}

// saw takes over the new state of a canary.
func (g *canaryGuard) saw(ctx context.Context, ref inventory.Ref, canary *unstructured.Unstructured) {
	report := g.board.read(canary)
	unseen := g.check(ctx, canary, &report)
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, held := g.held[ref]; held && report.Status == Failed {
		// Flagger writes the status of a failed canary once more just before it
		// begins with the new revision.
		report, unseen = Report{InProgress, "failed with an older revision; Flagger has seen the new one"}, true
	}
	if ctx.Err() != nil {
		return
	}
	delete(g.held, ref)
	if unseen {
		g.held[ref] = heldCanary{canary, time.Now()}
	}
	g.board.report(ref, report)
}

// drop forgets a canary that is not there.
func (g *canaryGuard) drop(ref inventory.Ref) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.held, ref)
}

// dropMissing forgets the canaries of a group that a complete list of it did
// not have.
func (g *canaryGuard) dropMissing(in group, seen map[inventory.Ref]bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for ref := range g.held {
		if g.board.covers(in, ref) && !seen[ref] {
			delete(g.held, ref)
		}
	}
}

// run looks again at the canaries that are held back, until ctx ends.
func (g *canaryGuard) run(ctx context.Context) {
	tick := time.NewTicker(lookTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for ref, canary := range g.due() {
			g.look(ctx, ref, canary)
		}
	}
}

// due returns the canaries that are to be looked at again.
func (g *canaryGuard) due() map[inventory.Ref]*unstructured.Unstructured {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := map[inventory.Ref]*unstructured.Unstructured{}
	for ref, h := range g.held {
		if time.Since(h.since) >= lookAgain {
			out[ref] = h.canary
		}
	}
	return out
}

func (g *canaryGuard) look(ctx context.Context, ref inventory.Ref, canary *unstructured.Unstructured) {
	report := g.board.read(canary)
	unseen := g.check(ctx, canary, &report)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held[ref].canary != canary || ctx.Err() != nil {
		return // it has changed meanwhile
	}
	if unseen {
		g.held[ref] = heldCanary{canary, time.Now()}
	} else {
		delete(g.held, ref)
	}
	g.board.report(ref, report)
}

// check changes the report of a canary that has come to an end without having
// seen its target as it is, and reports whether it is one.
func (g *canaryGuard) check(ctx context.Context, canary *unstructured.Unstructured, report *Report) (unseen bool) {
	final := report.Status == Current || report.Status == Failed
	suspended, _, _ := unstructured.NestedBool(canary.Object, "spec", "suspend")
	if !final || suspended || readCanary(canary).Status != report.Status {
		return false
	}
	sight, err := g.w.lookAt(ctx, canary)
	switch {
	case apierrors.IsForbidden(err):
		report.Message = orElse(report.Message, "its workload may not be read: a change that Flagger has not seen would go unnoticed")
		return false
	case err != nil:
		*report = Report{InProgress, "its workload can't be read: " + err.Error()}
		return true
	case sight == nil:
		return false
	}
	seen, why := seenCanary(*sight)
	if !seen {
		*report = Report{InProgress, why}
	}
	return !seen
}

var configKinds = map[string]string{"configmap": "configmaps", "secret": "secrets"}

// lookAt reads what a canary is about. It returns nil for a target without a pod
// template.
func (w *Waiter) lookAt(ctx context.Context, canary *unstructured.Unstructured) (*canarySight, error) {
	workloads := schema.GroupVersionResource{Group: "apps", Version: "v1"}
	switch text(canary, "spec", "targetRef", "kind") {
	case "Deployment":
		workloads.Resource = "deployments"
	case "DaemonSet":
		workloads.Resource = "daemonsets"
	default:
		return nil, nil
	}
	client, name := w.client.Resource(workloads).Namespace(canary.GetNamespace()), text(canary, "spec", "targetRef", "name")
	target, err := client.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	s := &canarySight{canary: canary, target: target, configs: map[string]*unstructured.Unstructured{}}
	if s.primary, err = client.Get(ctx, name+"-primary", metav1.GetOptions{}); apierrors.IsNotFound(err) {
		s.primary = nil
	} else if err != nil {
		return nil, err
	}
	tracked, _, _ := unstructured.NestedStringMap(canary.Object, "status", "trackedConfigs")
	for key := range tracked {
		kind, name, _ := strings.Cut(key, "/")
		if configKinds[kind] == "" {
			continue
		}
		configs := w.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: configKinds[kind]})
		u, err := configs.Namespace(canary.GetNamespace()).Get(ctx, name, metav1.GetOptions{})
		switch {
		case err == nil:
			s.configs[key] = u
		case !apierrors.IsNotFound(err) && !apierrors.IsForbidden(err):
			return nil, err
		}
	}
	return s, nil
}
