// Command render measures rendering against fluxcd/pkg/kustomize and Helm's
// action package, in one run, and fails where a promise is not kept. It prints a
// table to the standard error and a line of JSON for each case to the output.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/gitopskit/gitopskit/bench/internal/result"
)

// outcome of one case.
type outcome struct {
	name         string
	n            int // of what a round handles
	peerName     string
	ours, peer   testing.BenchmarkResult
	want         float64 // how many times faster
	wantAllocs   float64 // the share of the peer's allocations that is allowed; 0 is not asked
	remark       string
	remarkFailed bool
}

func (r outcome) speed() float64 {
	return float64(r.peer.NsPerOp()) / float64(max(r.ours.NsPerOp(), 1))
}

func (r outcome) allocs() float64 {
	return float64(r.ours.AllocsPerOp()) / float64(max(r.peer.AllocsPerOp(), 1))
}

func (r outcome) ok() bool {
	return r.speed() >= r.want && (r.wantAllocs == 0 || r.allocs() <= r.wantAllocs) && !r.remarkFailed
}

func main() {
	testing.Init()
	only := flag.String("only", "", "run the cases whose name contains this")
	flag.Parse()
	fmt.Fprintf(os.Stderr, "%s, %s/%s, %d cores\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0))
	w := tabwriter.NewWriter(os.Stderr, 2, 8, 2, ' ', 0)
	fmt.Fprintln(w, "case\tgitopskit\tpeer\ttimes faster\twanted\tallocations\tallowed\t")
	failed := false
	for _, c := range []struct {
		name string
		run  func() (outcome, error)
	}{
		{"kustomize/substitute-1500", substitute}, {"kustomize/parallel-100", parallel},
		{"kustomize/unchanged", unchanged}, {"helm/rerender", rerender},
	} {
		if !strings.Contains(c.name, *only) {
			continue
		}
		r, err := c.run()
		if err != nil {
			fmt.Fprintln(os.Stderr, c.name+":", err)
			os.Exit(1)
		}
		failed = failed || !r.ok()
		allowed := "-"
		if r.wantAllocs > 0 {
			allowed = fmt.Sprintf("%.0f %%", 100*r.wantAllocs)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%.1f\t%.0f\t%.0f %%\t%s\t%s\n", c.name, perOp(r.ours), perOp(r.peer), r.speed(), r.want, 100*r.allocs(), allowed, r.remark)
		_ = w.Flush() // to the standard error
		if err := result.Print(os.Stdout, r.line()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	if failed {
		fmt.Fprintln(os.Stderr, "\nNOT KEPT: see the columns wanted and allowed")
		os.Exit(1)
	}
}

func (r outcome) line() result.Line {
	return result.Line{
		Name: r.name, N: r.n, Ours: float64(r.ours.NsPerOp()) / 1e9, PeerName: r.peerName, Peer: float64(r.peer.NsPerOp()) / 1e9, Unit: "s",
	}
}

func perOp(r testing.BenchmarkResult) string { return time.Duration(r.NsPerOp()).String() }

// rounds is how often each side runs, in turn.
const rounds = 3

// contest measures functions in turn and returns the fastest round of each, so
// that what else the machine does in between weighs on none alone. The first
// error ends it.
func contest(fs ...func() error) ([]testing.BenchmarkResult, error) {
	best := make([]testing.BenchmarkResult, len(fs))
	for round := range rounds {
		for i, f := range fs {
			r, err := measure(f)
			if err != nil {
				return nil, err
			}
			if round == 0 || r.NsPerOp() < best[i].NsPerOp() {
				best[i] = r
			}
		}
	}
	return best, nil
}

// measure runs f as a benchmark; its first error ends it.
func measure(f func() error) (testing.BenchmarkResult, error) {
	if err := f(); err != nil { // once to warm up, as a controller is
		return testing.BenchmarkResult{}, err
	}
	var failure error
	r := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if failure = f(); failure != nil {
				b.FailNow()
			}
		}
	})
	return r, failure
}
