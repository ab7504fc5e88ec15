package ssa

import (
	"context"
	"flag"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/gitopskit/gitopskit/bench/internal/result"
	"github.com/gitopskit/gitopskit/internal/testcluster"
	"github.com/gitopskit/gitopskit/ssa"
)

// figure is what a phase took.
type figure struct {
	who      string
	seconds  float64
	requests int64
}

// phases are the figures of one contender.
type phases map[string]figure

const (
	firstApply  = "first-apply"
	unvalidated = "first-apply-unvalidated"
	noopWarm    = "noop-warm"
	noopRestart = "noop-restart"
	halfChanged = "half-changed"
	pruneAll    = "prune"
)

var (
	sizes   = flag.String("objects", "1000,5000", "how many objects, separated by commas")
	watched = flag.Int("watched", 20000, "how many objects to keep watch over")
	quick   = flag.Bool("quick", false, "leave kubectl out")
)

func BenchmarkSSA(b *testing.B) {
	c := testcluster.Shared(b)
	m := &meter{b: b, cluster: c}
	m.all(200) // warms up the server and all code
	for n := range strings.SplitSeq(*sizes, ",") {
		n, err := strconv.Atoi(n)
		if err != nil {
			b.Fatalf("-objects: %v", err)
		}
		if testing.Short() && n > 1000 {
			continue
		}
		m.print(n, m.all(n))
	}
	b.ReportMetric(0, "ns/op")
}

type meter struct {
	b       *testing.B
	cluster *testcluster.Cluster
	spaces  int
}

// namespaces makes ten of them.
func (m *meter) namespaces() []string {
	m.spaces++
	c, err := kubernetes.NewForConfig(m.cluster.RESTConfig())
	if err != nil {
		m.b.Fatal(err)
	}
	out := make([]string, 10)
	for i := range out {
		ns := m.cluster.Namespace(m.b)
		out[i] = ns
		m.settled(c, ns)
	}
	return out
}

// settled waits until the controllers have made what every namespace has.
func (m *meter) settled(c kubernetes.Interface, ns string) {
	for {
		_, err := c.CoreV1().ServiceAccounts(ns).Get(context.Background(), "default", metav1.GetOptions{})
		_, err2 := c.CoreV1().ConfigMaps(ns).Get(context.Background(), "kube-root-ca.crt", metav1.GetOptions{})
		if err == nil && err2 == nil {
			return
		}
		pause(20 * time.Millisecond)
	}
}

func pause(d time.Duration) { <-time.After(d) }

// calm lets the cluster's controllers finish what a phase with n objects gave
// them to do, which the next phase would be charged with otherwise: most of all
// the next phase of who was quick.
func calm(n int) { pause(3 * time.Second * time.Duration(max(1, n/1000))) }

func (m *meter) measure(who string, c *counter, f func() error) figure {
	m.b.Helper()
	runtime.GC()
	before := c.n.Load()
	started := time.Now()
	if err := f(); err != nil {
		m.b.Fatalf("%s: %v", who, err)
	}
	return figure{who: who, seconds: time.Since(started).Seconds(), requests: c.n.Load() - before}
}

// mostForCLIUtils is how many objects cli-utils is given: its time grows faster
// than their number, and 5,000 take it more than a quarter of an hour.
const mostForCLIUtils = 1000

// all measures every contender with n objects.
func (m *meter) all(n int) []phases {
	out := []phases{m.ours(n)}
	for _, workers := range []int{1, 4, 10} {
		out = append(out, m.plain(n, func(cfg *rest.Config) contender { return newFlux(m.b, cfg, workers) }))
	}
	if n <= mostForCLIUtils {
		out = append(out, m.plain(n, func(cfg *rest.Config) contender { return newCLIUtils(m.b, cfg, m.cluster.Namespace(m.b)) }))
	}
	if !*quick {
		out = append(out, m.plain(n, func(*rest.Config) contender { return &kubectl{b: m.b, cluster: m.cluster, dir: m.b.TempDir()} }))
	}
	for _, workers := range []int{8, 16, 32} {
		out = append(out, m.floor(n, workers))
	}
	return out
}

// plain measures a contender that knows no difference between a warm and a
// restarted process.
func (m *meter) plain(n int, make func(*rest.Config) contender) phases {
	ctx, c := context.Background(), &counter{}
	who := make(c.config(m.cluster.RESTConfig()))
	ns := m.namespaces()
	first, second := workload(n, ns, 0), workload(n, ns, n/2)
	out := phases{}
	out[firstApply] = m.measure(who.name(), c, func() error { return who.apply(ctx, first) })
	calm(n)
	out[noopWarm] = m.measure(who.name(), c, func() error { return who.apply(ctx, first) })
	out[noopRestart] = out[noopWarm]
	out[halfChanged] = m.measure(who.name(), c, func() error { return who.apply(ctx, second) })
	calm(n)
	out[pruneAll] = m.measure(who.name(), c, func() error { return who.prune(ctx, second) })
	out[unvalidated] = out[firstApply]
	return out
}

func (m *meter) floor(n, workers int) phases {
	ctx, c := context.Background(), &counter{}
	cfg := c.config(m.cluster.RESTConfig())
	ns := m.namespaces()
	objects := workload(n, ns, 0)
	out := phases{}
	bare, checked := newFloor(m.b, cfg, workers, false), newFloor(m.b, cfg, workers, true)
	out[firstApply] = m.measure(checked.name(), c, func() error { return checked.apply(ctx, objects) })
	calm(n)
	out[pruneAll] = m.measure(bare.name(), c, func() error { return bare.prune(ctx, objects) })
	ns = m.namespaces()
	objects = workload(n, ns, 0)
	out[unvalidated] = m.measure(bare.name(), c, func() error { return bare.apply(ctx, objects) })
	if err := bare.prune(ctx, objects); err != nil {
		m.b.Fatal(err)
	}
	return out
}

func (m *meter) ours(n int) phases {
	c := &counter{}
	cfg := c.config(m.cluster.RESTConfig())
	ns := m.namespaces()
	first, second := workload(n, ns, 0), workload(n, ns, n/2)
	o := newOurs(m.b, cfg, ssa.ApplyOptions{})
	ctx, stop := context.WithCancel(context.Background())
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		_ = o.applier.Watch(ctx, ssa.WatchOptions{OnDrift: func(ssa.Drift) {}})
	}()
	out := phases{}
	out[firstApply] = m.measure(o.name(), c, func() error { return o.apply(ctx, first) })
	calm(n)
	if err := o.apply(ctx, first); err != nil { // settles what controllers have written
		m.b.Fatal(err)
	}
	out[noopWarm] = m.measure(o.name(), c, func() error { return o.apply(ctx, first) })
	out[noopRestart] = m.restarted(cfg, c, o, first)
	out[halfChanged] = m.measure(o.name(), c, func() error { return o.apply(ctx, second) })
	calm(n)
	out[pruneAll] = m.measure(o.name(), c, func() error { return o.prune(ctx, second) })
	stop()
	<-watching
	quick := newOurs(m.b, cfg, ssa.ApplyOptions{SkipValidation: true})
	third := workload(n, m.namespaces(), 0)
	out[unvalidated] = m.measure(o.name(), c, func() error { return quick.apply(context.Background(), third) })
	if err := quick.prune(context.Background(), third); err != nil {
		m.b.Fatal(err)
	}
	return out
}

// restarted measures the first apply of a new process that has the old one's
// snapshot.
func (m *meter) restarted(cfg *rest.Config, c *counter, o *ours, objects []*unstructured.Unstructured) figure {
	data, err := o.applier.Snapshot()
	if err != nil {
		m.b.Fatal(err)
	}
	fresh := newOurs(m.b, cfg, ssa.ApplyOptions{})
	fresh.opts.Inventory = o.opts.Inventory
	return m.measure(o.name(), c, func() error {
		if err := fresh.applier.Restore(data); err != nil {
			return err
		}
		return fresh.apply(context.Background(), objects)
	})
}

// print reports ours against the best of each peer.
func (m *meter) print(n int, all []phases) {
	for _, phase := range []string{noopWarm, noopRestart, firstApply, unvalidated, halfChanged, pruneAll} {
		own := all[0][phase]
		best := map[string]figure{}
		for _, p := range all[1:] {
			f, ok := p[phase]
			if !ok {
				continue
			}
			group := f.who[:6]
			if b, ok := best[group]; !ok || f.seconds < b.seconds {
				best[group] = f
			}
		}
		for _, group := range []string{"fluxcd", "cli-ut", "kubect", "bare r"} {
			if f, ok := best[group]; ok {
				name := "ssa/" + phase
				if group == "bare r" {
					name = "ssa/floor"
					f.who = phase + ": " + f.who
				}
				result.Report(m.b, result.Line{Name: name, N: n, Ours: own.seconds, PeerName: f.who, Peer: f.seconds, Unit: "s", Requests: own.requests})
			}
		}
	}
}
