package kustomization

import (
	"context"
	"fmt"
	"sync"

	"github.com/fluxcd/pkg/apis/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/status"
	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
	"github.com/gitopskit/gitopskit/ssa/health"
	"github.com/gitopskit/gitopskit/ssa/health/celreader"
)

// waits are the health waits that go on in the background, so that no worker
// is held up by a workload that takes its time, and a fix that is pushed in
// the meantime is applied at once.
type waits struct {
	mu      sync.Mutex
	running map[types.NamespacedName]*wait
	group   sync.WaitGroup
}

// A wait is for one state of one Kustomization: its key tells which.
type wait struct {
	key    waitKey
	cancel context.CancelFunc
	done   bool
	err    error
}

type waitKey struct {
	generation int64
	revision   string
}

func (w *waits) cancel(name types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if running, ok := w.running[name]; ok {
		running.cancel()
		delete(w.running, name)
	}
}

// outcome returns the result of a wait that has ended for the given state.
func (w *waits) outcome(name types.NamespacedName, key waitKey) (done bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	running, ok := w.running[name]
	if !ok || running.key != key || !running.done {
		return false, nil
	}
	delete(w.running, name)
	return true, running.err
}

// start begins a wait, unless one for the same state is running already; one
// for another state is given up. Where something has just been changed, a wait
// is begun in any case.
func (w *waits) start(name types.NamespacedName, key waitKey, changed bool, f func(context.Context) error, then func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if running, ok := w.running[name]; ok {
		if running.key == key && !changed {
			return
		}
		running.cancel()
	}
	if w.running == nil {
		w.running = map[types.NamespacedName]*wait{}
	}
	ctx, cancel := context.WithCancel(context.Background())
	this := &wait{key: key, cancel: cancel}
	w.running[name] = this
	w.group.Go(func() {
		defer cancel()
		err := f(ctx)
		if ctx.Err() != nil {
			return
		}
		w.mu.Lock()
		this.done, this.err = true, err
		w.mu.Unlock()
		then()
	})
}

// stop ends all waits.
func (w *waits) stop() {
	w.mu.Lock()
	for _, running := range w.running {
		running.cancel()
	}
	w.mu.Unlock()
	w.group.Wait()
}

// wantsHealth reports whether the Kustomization asks for its objects' health.
func (u *run) wantsHealth() bool { return u.ks.Spec.Wait || len(u.ks.Spec.HealthChecks) > 0 }

// health makes sure that what was applied is healthy. If that takes longer
// than a moment, it is waited for in the background, whose end brings the
// Kustomization back here.
func (u *run) health(applier *ssa.Applier, objects []*unstructured.Unstructured) error {
	name := client.ObjectKeyFromObject(u.ks)
	if !u.wantsHealth() {
		u.r.waits.cancel(name)
		return nil
	}
	targets, err := u.healthTargets()
	if err != nil {
		return err
	}
	read, err := reader(u.ks)
	if err != nil {
		return err
	}
	key := waitKey{generation: u.ks.Generation, revision: u.revision}
	changed := u.result.Changed()
	if !changed {
		if done, err := u.r.waits.outcome(name, key); done {
			return u.healthResult(err)
		}
	}
	limit := timeout(u.ks)
	if changed || !status.IsReady(u.ks) {
		message := fmt.Sprintf("Running health checks for revision %s with a timeout of %s", u.revision, limit)
		status.Progressing(u.ks, message)
		status.Set(u.ks, meta.HealthyCondition, "Unknown", meta.ProgressingReason, message)
	}
	u.waiting = true
	all := u.ks.Spec.Wait
	u.r.waits.start(name, key, changed, func(ctx context.Context) error {
		_, err := applier.Wait(ctx, targets, health.WaitOptions{Timeout: limit, ReadAll: !all, Read: read})
		return err
	}, func() { u.r.queue.add(name) })
	return nil
}

func (u *run) healthResult(err error) error {
	if err == nil {
		return nil
	}
	message := fmt.Errorf("health check of revision %s failed: %w", u.revision, err)
	status.Set(u.ks, meta.HealthyCondition, "False", meta.HealthCheckFailedReason, message.Error())
	return &failure{reason: meta.HealthCheckFailedReason, err: message}
}

// healthTargets are all objects with spec.wait, else those of
// spec.healthChecks.
func (u *run) healthTargets() ([]inventory.Entry, error) {
	if u.ks.Spec.Wait {
		var out []inventory.Entry
		for _, o := range u.result.Objects {
			if o.Action != ssa.Skip && o.Action != ssa.Prune {
				out = append(out, inventory.Entry{Ref: o.Ref, Version: o.Version})
			}
		}
		return out, nil
	}
	return checks(u.ks)
}

// reader returns what tells the health of objects by the expressions of
// spec.healthCheckExprs; nil if there are none.
func reader(ks *api.Kustomization) (health.Reader, error) {
	if len(ks.Spec.HealthCheckExprs) == 0 {
		return nil, nil
	}
	var kinds []celreader.Expressions
	for _, e := range ks.Spec.HealthCheckExprs {
		kinds = append(kinds, celreader.Expressions{APIVersion: e.APIVersion, Kind: e.Kind, Current: e.Current, InProgress: e.InProgress, Failed: e.Failed})
	}
	read, err := celreader.Compile(kinds...)
	if err != nil {
		return nil, &failure{reason: meta.InvalidCELExpressionReason, stalled: true, err: fmt.Errorf("spec.healthCheckExprs: %w", err)}
	}
	return read, nil
}

func checks(ks *api.Kustomization) ([]inventory.Entry, error) {
	var out []inventory.Entry
	for i, c := range ks.Spec.HealthChecks {
		gv, err := schema.ParseGroupVersion(orElse(c.APIVersion, "apps/v1"))
		if err != nil {
			return nil, &failure{reason: meta.HealthCheckFailedReason, stalled: true, err: fmt.Errorf("spec.healthChecks[%d].apiVersion: %w", i, err)}
		}
		out = append(out, inventory.Entry{
			Ref:     inventory.Ref{Group: gv.Group, Kind: c.Kind, Namespace: c.Namespace, Name: c.Name},
			Version: gv.Version,
		})
	}
	return out, nil
}
