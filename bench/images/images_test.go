package images

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Masterminds/semver/v3"

	"github.com/gitopskit/gitopskit/bench/internal/result"
	"github.com/gitopskit/gitopskit/imagepolicy"
	"github.com/gitopskit/gitopskit/imagepolicy/scan"
	"github.com/gitopskit/gitopskit/internal/servers"
)

const (
	count    = 100_000
	versions = ">=1.0.0 <9.0.0"
	peerName = "image-reflector-controller's algorithm"
)

// tags are what a busy repository has: releases, release candidates, builds named
// by branch and commit, moving tags; sorted, as registries list them.
func tags(n int) []string {
	list := make([]string, 0, n)
	for i := range n {
		switch v := fmt.Sprintf("%d.%d.%d", i/10_000, i/100%100, i%100); i % 10 {
		case 0:
			list = append(list, fmt.Sprintf("main-%07x-%d", i*2654435761%0xfffffff, 1_700_000_000+i))
		case 1:
			list = append(list, v+"-rc."+fmt.Sprint(i%7))
		case 2:
			list = append(list, "v"+v)
		default:
			list = append(list, v)
		}
	}
	slices.Sort(list)
	return list
}

// peer chooses as image-reflector-controller does.
func peer(tags []string, constraint *semver.Constraints) string {
	var best *semver.Version
	for _, tag := range tags {
		if _, err := semver.StrictNewVersion(strings.TrimPrefix(tag, "v")); err != nil {
			continue
		}
		v, err := semver.NewVersion(tag)
		if err == nil && constraint.Check(v) && (best == nil || v.GreaterThan(best)) {
			best = v
		}
	}
	return best.Original()
}

func policy(b *testing.B) *imagepolicy.Policy {
	b.Helper()
	p, err := imagepolicy.New(imagepolicy.Spec{Kind: imagepolicy.Semver, Range: versions})
	if err != nil {
		b.Fatal(err)
	}
	return p
}

// took returns how many milliseconds f took, on a heap that was collected before.
func took(f func()) float64 {
	runtime.GC()
	begun := time.Now()
	f()
	return float64(time.Since(begun).Nanoseconds()) / 1e6
}

func median(times []float64) float64 {
	slices.Sort(times)
	return times[len(times)/2]
}

func constraint(b *testing.B) *semver.Constraints {
	b.Helper()
	c, err := semver.NewConstraint(versions)
	if err != nil {
		b.Fatal(err)
	}
	return c
}

func choose(b *testing.B, s *imagepolicy.Set, p *imagepolicy.Policy) string {
	b.Helper()
	choice, err := s.Select(p)
	if err != nil {
		b.Fatal(err)
	}
	return choice.Tag
}

func BenchmarkCold(b *testing.B) {
	list, p, c := tags(count), policy(b), constraint(b)
	var ours, theirs []float64
	for b.Loop() {
		var got, want string
		ours = append(ours, took(func() { got = choose(b, imagepolicy.NewSet(list...), p) }))
		theirs = append(theirs, took(func() { want = peer(list, c) }))
		if got != want {
			b.Fatalf("chose %s, the peer %s", got, want)
		}
	}
	result.Report(b, result.Line{Name: "images/cold", N: count, Ours: median(ours), PeerName: peerName, Peer: median(theirs), Unit: "ms"})
}

func BenchmarkOneMore(b *testing.B) {
	list, p, c := tags(count), policy(b), constraint(b)
	set := imagepolicy.NewSet(list...)
	choose(b, set, p)
	var ours, theirs []float64
	for b.Loop() {
		tag, got := fmt.Sprintf("8.%d.0", 1000+len(ours)), ""
		ours = append(ours, took(func() {
			set.Add(tag)
			got = choose(b, set, p)
		}))
		if got != tag {
			b.Fatalf("chose %s, not %s", got, tag)
		}
		theirs = append(theirs, took(func() { peer(list, c) }))
	}
	result.Report(b, result.Line{Name: "images/one-more", N: count, Ours: median(ours), PeerName: peerName, Peer: median(theirs), Unit: "ms"})
}

func BenchmarkRescan(b *testing.B) {
	reg := servers.NewTags(b, servers.TagsOptions{Token: true}, tags(count)...)
	client, err := scan.NewClient(scan.ClientOptions{Insecure: []string{reg.Host}})
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	store, err := scan.OpenStore(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	open := func(opts scan.ImageOptions) func() scan.Result {
		opts.Name = reg.Host + "/org/app"
		image, err := client.Image(opts)
		if err != nil {
			b.Fatal(err)
		}
		return func() scan.Result {
			r, err := image.Scan(b.Context())
			if err != nil || r.Tags != count {
				b.Fatal(r.Tags, err)
			}
			return r
		}
	}
	some, all := open(scan.ImageOptions{Store: store}), open(scan.ImageOptions{FullEvery: -1})
	some()
	var ours, theirs []float64
	var again, full scan.Result
	for b.Loop() {
		ours = append(ours, took(func() { again = some() }))
		theirs = append(theirs, took(func() { full = all() }))
		if again.Full || len(again.Added)+len(again.Removed) > 0 {
			b.Fatalf("a rescan was full (%v), or found %q and lost %q", again.Full, again.Added, again.Removed)
		}
	}
	result.Report(b, result.Line{
		Name: "images/rescan", N: count, Ours: median(ours), PeerName: fmt.Sprintf("a full listing of %d requests", full.Requests), Peer: median(theirs),
		Unit: "ms", Requests: int64(again.Requests),
	})
}

// BenchmarkMemory states what a tag costs, beside its text.
func BenchmarkMemory(b *testing.B) {
	heap := func() float64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	var perTag, perPolicy float64
	for b.Loop() {
		list, p := tags(count), policy(b)
		before := heap()
		set := imagepolicy.NewSet(list...)
		stored := heap()
		choose(b, set, p)
		chosen := heap()
		perTag, perPolicy = (stored-before)/count, (chosen-stored)/count
		runtime.KeepAlive(list)
		runtime.KeepAlive(set)
	}
	result.Report(b, result.Line{Name: "images/memory-per-tag", N: count, Ours: float64(int(perTag)), Unit: "bytes beside the text of the tag"})
	result.Report(b, result.Line{Name: "images/memory-per-tag-and-policy", N: count, Ours: float64(int(perPolicy)), Unit: "bytes"})
}
