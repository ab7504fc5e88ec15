package notify

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gitopskit/gitopskit/bench/internal/result"
	"github.com/gitopskit/gitopskit/notify"
	"github.com/gitopskit/gitopskit/notify/provider"
)

const (
	eventCount   = 10_000
	destinations = 5
	serverVar    = "NOTIFY_BENCH_SERVER"
)

var (
	inclusion = []string{`^(Applied|Health|Reconcil|Helm).*`, `.*(finished|succeeded|failed) in \d+(\.\d+)?m?s.*`}
	exclusion = []string{`waiting.*socket`, `.*(unable to clone|context deadline exceeded).*`, `^Dependencies do not meet ready condition`}
)

func TestMain(m *testing.M) {
	if os.Getenv(serverVar) != "" {
		serve()
		return
	}
	m.Run()
}

func events() []notify.Event {
	out := make([]notify.Event, eventCount)
	for i := range out {
		out[i] = notify.Event{
			InvolvedObject: notify.Object{APIVersion: "kustomize.toolkit.fluxcd.io/v1", Kind: "Kustomization", Namespace: "apps", Name: fmt.Sprint("app-", i%500), UID: fmt.Sprint("uid-", i%500)},
			Severity:       notify.SeverityInfo, Timestamp: time.Date(2026, 1, 1, 0, 0, i, 0, time.UTC), Reason: "ReconciliationSucceeded",
			Message:  fmt.Sprintf("Reconciliation finished in %dms, next run in 10m0s", i),
			Metadata: map[string]string{"kustomize.toolkit.fluxcd.io/revision": fmt.Sprintf("main@sha1:%040x", i)}, ReportingController: "kustomize-controller",
		}
	}
	return out
}

// ours dispatches all and returns how long it took until the destinations that do
// not hang had all, and the peak of the heap.
func ours(b *testing.B, base string, ca []byte, hang bool) (time.Duration, uint64) {
	b.Helper()
	rule, err := notify.Compile(notify.Rule{Sources: []notify.Source{{Kind: "Kustomization", Name: "*"}}, Inclusion: inclusion, Exclusion: exclusion})
	if err != nil {
		b.Fatal(err)
	}
	pool := provider.NewPool()
	defer pool.Close()
	var o notify.Options
	for i := range destinations {
		address := fmt.Sprint(base, "/", i)
		overflow := notify.Wait
		if hang && i == 0 {
			address, overflow = base+"/hang", notify.DropOldest
		}
		s, err := provider.New(provider.Config{Type: "generic", Address: address, TLS: provider.TLS{CA: ca}, HTTP: pool})
		if err != nil {
			b.Fatal(err)
		}
		o.Destinations = append(o.Destinations, notify.Destination{Name: fmt.Sprint(i), Sender: s, Rules: []*notify.Matcher{rule}, Overflow: overflow, Workers: 2, Timeout: time.Minute})
	}
	o.DrainTimeout = -1
	d, err := notify.New(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	peak := watchHeap()
	begun := time.Now()
	go func() { ended <- d.Run(ctx) }()
	for _, e := range events() {
		if _, err := d.Dispatch(ctx, e); err != nil {
			b.Fatal(err)
		}
	}
	for !delivered(d, hang) {
		runtime.Gosched()
		<-time.After(time.Millisecond)
	}
	took := time.Since(begun)
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	return took, peak()
}

func delivered(d *notify.Dispatcher, hang bool) bool {
	for i, s := range d.Stats() {
		if !(hang && i == 0) && s.Delivered < eventCount {
			return false
		}
	}
	return true
}

// watchHeap returns a function that ends the watching and tells the peak of the
// heap above what it was.
func watchHeap() func() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before, peak := m.HeapAlloc, m.HeapAlloc
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapAlloc)
			}
		}
	}()
	return func() uint64 { close(stop); <-done; return peak - before }
}

// usualWay names the peer.
const usualWay = "a retrying client and goroutine for each post"

func BenchmarkFanout(b *testing.B) {
	s := startServer(b)
	for _, c := range []struct {
		name, base string
		ca         []byte
		hang       bool
	}{
		{"notify/fanout", s.secure, s.ca, false},
		{"notify/fanout-plain-http", s.plain, nil, false},
		{"notify/fanout-one-hangs", s.secure, s.ca, true},
	} {
		want := int64(eventCount * destinations)
		if c.hang {
			want -= eventCount
		}
		b.Run(strings.TrimPrefix(c.name, "notify/"), func(b *testing.B) {
			var us, peer time.Duration
			var ourHeap, peerHeap uint64
			for b.Loop() {
				took, heap := ours(b, c.base, c.ca, c.hang)
				us, ourHeap = us+took, max(ourHeap, heap)
				sent := s.count(b)
				took, heap = usual(b, c.base, c.ca, c.hang)
				peer, peerHeap = peer+took, max(peerHeap, heap)
				if theirs := s.count(b); sent != want || theirs != want {
					b.Fatalf("we sent %d, they %d, want %d", sent, theirs, want)
				}
			}
			n := float64(b.N)
			b.ReportMetric(us.Seconds()/n, "ours-s")
			b.ReportMetric(peer.Seconds()/n, "peer-s")
			result.Report(b, result.Line{Name: c.name, N: eventCount, Ours: us.Seconds() / n, PeerName: usualWay, Peer: peer.Seconds() / n, Unit: "s", Requests: want})
			result.Report(b, result.Line{Name: c.name + "-memory", N: eventCount, Ours: float64(ourHeap) / 1e6, PeerName: usualWay, Peer: float64(peerHeap) / 1e6, Unit: "MB", Requests: want})
		})
	}
}
