package ssa

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	fluxssa "github.com/fluxcd/pkg/ssa"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"

	"github.com/gitopskit/gitopskit/bench/internal/result"
	"github.com/gitopskit/gitopskit/internal/testcluster"
	"github.com/gitopskit/gitopskit/ssa"
)

// configMaps returns n objects of one kind.
func configMaps(n int, namespaces []string) []*unstructured.Unstructured {
	out := make([]*unstructured.Unstructured, n)
	for i := range out {
		u := &unstructured.Unstructured{Object: kinds[0]("1")}
		u.SetNamespace(namespaces[i%len(namespaces)])
		u.SetName(fmt.Sprintf("object-%d", i))
		u.SetLabels(map[string]string{"app": "bench"})
		out[i] = u
	}
	return out
}

// heap returns what is alive, in MiB.
func heap() float64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
}

// BenchmarkWatchMemory measures what keeping watch over many objects costs,
// against an informer of client-go that keeps their metadata.
func BenchmarkWatchMemory(b *testing.B) {
	m := &meter{b: b, cluster: testcluster.Shared(b)}
	n := *watched
	namespaces := m.namespaces()
	before := heap()
	o := newOurs(b, m.cluster.RESTConfig(), ssa.ApplyOptions{SkipValidation: true})
	o.opts.Inventory, o.opts.Prune = nil, false
	ctx, stop := context.WithCancel(context.Background())
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		_ = o.applier.Watch(ctx, ssa.WatchOptions{OnDrift: func(ssa.Drift) {}})
	}()
	if err := o.apply(ctx, configMaps(n, namespaces)); err != nil {
		b.Fatal(err)
	}
	own := heap() - before
	runtime.KeepAlive(o)
	stop()
	<-watching
	o = nil

	peer := informerMemory(b, m)
	result.Report(b, result.Line{Name: "ssa/watch-memory", N: n, Ours: own, PeerName: "client-go metadata informer", Peer: peer, Unit: "MiB"})
	if err := newFloor(b, m.cluster.RESTConfig(), 32, false).prune(context.Background(), configMaps(n, namespaces)); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(own*(1<<20)/float64(n), "bytes/object")
	b.ReportMetric(0, "ns/op")
}

func informerMemory(b *testing.B, m *meter) float64 {
	client, err := metadata.NewForConfig(m.cluster.RESTConfig())
	if err != nil {
		b.Fatal(err)
	}
	before := heap()
	factory := metadatainformer.NewSharedInformerFactory(client, 0)
	gvr := configMapResource
	informer := factory.ForResource(gvr)
	ctx, stop := context.WithCancel(context.Background())
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	used := heap() - before
	runtime.KeepAlive(informer)
	stop()
	factory.Shutdown()
	return used
}

// BenchmarkPlanAllocations counts what a plan that finds nothing to do
// allocates.
func BenchmarkPlanAllocations(b *testing.B) {
	m := &meter{b: b, cluster: testcluster.Shared(b)}
	const n = 600
	objects := workload(n, m.namespaces(), 0)
	o := newOurs(b, m.cluster.RESTConfig(), ssa.ApplyOptions{})
	if err := o.apply(context.Background(), objects); err != nil {
		b.Fatal(err)
	}
	pause(3 * time.Second)
	if err := o.apply(context.Background(), objects); err != nil {
		b.Fatal(err)
	}
	own := allocations(b, func() error {
		_, err := o.applier.Plan(context.Background(), objects, o.opts)
		return err
	})
	f := newFlux(b, m.cluster.RESTConfig(), 10)
	if err := f.apply(context.Background(), objects); err != nil {
		b.Fatal(err)
	}
	peer := allocations(b, func() error {
		for _, u := range objects {
			if _, _, _, err := f.manager.Diff(context.Background(), u.DeepCopy(), fluxssa.DefaultDiffOptions()); err != nil {
				return err
			}
		}
		return nil
	})
	result.Report(b, result.Line{Name: "ssa/plan-allocations", N: n, Ours: own / n, PeerName: "fluxcd/pkg/ssa v0.78, Diff", Peer: peer / n, Unit: "allocations per object"})
	b.ReportMetric(0, "ns/op")
}

func allocations(b *testing.B, f func() error) float64 {
	b.Helper()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if err := f(); err != nil {
		b.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs - before.Mallocs)
}
