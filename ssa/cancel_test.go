package ssa_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
	"github.com/gitopskit/gitopskit/ssa/health"
)

// silence lets requests through up to a number, and gives no answer to those
// that come after: only their context ends them.
type silence struct {
	after  int64
	seen   atomic.Int64
	silent func()
}

func (s *silence) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		if s.seen.Add(1) <= s.after {
			return next.RoundTrip(req)
		}
		s.silent()
		<-req.Context().Done()
		return nil, context.Cause(req.Context())
	})
}

// TestCancellationEndsEveryRequest stops an Apply at each of its requests in
// turn, at which the API server no longer answers. That it returns proves that
// it waits for nothing but requests that its context ends.
func TestCancellationEndsEveryRequest(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	set := []string{
		"apiVersion: v1\nkind: Namespace\nmetadata: {name: NS-more}",
		named(configA, "a", "in-namespace"), job,
		strings.Replace(configB, "namespace: NS", "namespace: NS, annotations: {config.kubernetes.io/depends-on: batch/namespaces/NS/Job/j}", 1),
	}
	last, stride := false, int64(1)
	if testing.Short() {
		stride = 4
	}
	for after := int64(0); !last; after += stride {
		ctx, cancel := context.WithCancel(t.Context())
		s := &silence{after: after, silent: cancel}
		cfg := rest.CopyConfig(c.cfg)
		cfg.Wrap(s.wrap)
		a, err := ssa.New(cfg, ssa.Options{TakeOver: []string{"kubectl*"}})
		if err != nil {
			t.Fatal(err)
		}
		// What an Apply before this one has left is pruned, looked at, or in the way.
		store := &inventory.Memory{}
		left := inventory.Entry{Ref: inventory.Ref{Kind: "ConfigMap", Namespace: c.ns, Name: "left"}, Version: "v1"}
		c.mustApply(ssa.ApplyOptions{}, named(configB, "b", "left"))
		if err := store.Save(ctx, inventory.New(left)); err != nil {
			t.Fatal(err)
		}
		returned := make(chan error, 1)
		var res *ssa.Result
		go func() {
			var err error
			res, err = a.Apply(ctx, c.objects(set...), ssa.ApplyOptions{Inventory: store, Prune: true, Diff: true, Wait: true, WaitTimeout: time.Hour})
			returned <- err
		}()
		select {
		case err = <-returned:
		case <-time.After(time.Minute):
			t.Fatalf("goes on after request %d was not answered", after)
		}
		last = err == nil
		if !last && (!errors.Is(err, context.Canceled) || len(res.Objects) < len(set)) {
			t.Errorf("after %d requests: %d results: %v", after, len(res.Objects), err)
		}
		inv, _ := store.Load(t.Context())
		for _, o := range res.Objects {
			if o.Action == ssa.Create && o.Err == nil && !inv.Has(o.Ref) {
				t.Errorf("after %d requests: nobody owns %s", after, o.Ref)
			}
		}
		cancel()
	}
	c.cleanUp(ssa.ApplyOptions{Inventory: listed(t, inventory.Ref{Kind: "Namespace", Name: c.ns + "-more"})})
}

// listed returns a store that lists objects.
func listed(t *testing.T, refs ...inventory.Ref) inventory.Store {
	t.Helper()
	store, inv := &inventory.Memory{}, inventory.New()
	for _, r := range refs {
		inv.Add(inventory.Entry{Ref: r, Version: "v1"})
	}
	if err := store.Save(t.Context(), inv); err != nil {
		t.Fatal(err)
	}
	return store
}

// A wait that ran out of its own time is no cancellation, and the other way
// round.
func TestCancelledIsNotTimedOut(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	never := func(*unstructured.Unstructured) health.Report { return health.Report{Status: health.InProgress} }
	opts := ssa.ApplyOptions{Wait: true, WaitTimeout: 10 * time.Millisecond, Health: never}
	res, err := c.apply(opts, configA)
	if !errors.Is(err, health.ErrTimeout) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || res.Count(ssa.Create) != 1 {
		t.Errorf("timed out: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	opts.WaitTimeout, opts.OnHealth = time.Hour, func(health.Observation) { cancel() }
	res, err = c.applier.Apply(ctx, c.objects(configA), opts)
	if errors.Is(err, health.ErrTimeout) || !errors.Is(err, context.Canceled) || res.Count(ssa.Unchanged) != 1 {
		t.Errorf("cancelled: %v, %v", err, res.Objects)
	}
}

func TestCancellationEndsWaits(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	c.mustApply(ssa.ApplyOptions{}, configA)
	there := []inventory.Entry{{Ref: inventory.Ref{Kind: "ConfigMap", Namespace: c.ns, Name: "a"}, Version: "v1"}}
	absent := []inventory.Entry{{Ref: inventory.Ref{Group: "apps", Kind: "Deployment", Namespace: c.ns, Name: "none"}, Version: "v1"}}
	for name, wait := range map[string]func(context.Context, *ssa.Applier) error{
		"Wait": func(ctx context.Context, a *ssa.Applier) error {
			_, err := a.Wait(ctx, absent, health.WaitOptions{Timeout: time.Hour})
			return err
		},
		"WaitGone": func(ctx context.Context, a *ssa.Applier) error { return a.WaitGone(ctx, there, time.Hour) },
		"Watch": func(ctx context.Context, a *ssa.Applier) error {
			return a.Watch(ctx, ssa.WatchOptions{OnDrift: func(ssa.Drift) {}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, err := ssa.New(c.cfg, ssa.Options{})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			if err := wait(ctx, a); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, health.ErrTimeout) {
				t.Errorf("err = %v", err)
			}
		})
	}
}
