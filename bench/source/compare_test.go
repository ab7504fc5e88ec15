package source_test

import (
	"strings"
	"testing"

	"github.com/gitopskit/gitopskit/bench/internal/result"
)

// caseName is that of the benchmark: git/one-file-changed for
// BenchmarkGit/one-file-changed.
func caseName(b *testing.B) string {
	group, name, _ := strings.Cut(strings.TrimPrefix(b.Name(), "Benchmark"), "/")
	return strings.ToLower(group) + "/" + name
}

// compare runs the peer and then ours, and prints their ratio. Ours returns the
// requests of an operation, -1 if none are counted.
func compare(b *testing.B, n int, peerName string, peer func(b *testing.B), ours func(b *testing.B) int) {
	l := result.Line{Name: caseName(b), N: n, PeerName: peerName, Unit: "s", Requests: -1}
	b.Run("peer", func(b *testing.B) {
		peer(b)
		l.Peer = perOp(b)
	})
	b.Run("ours", func(b *testing.B) {
		l.Requests = int64(ours(b))
		l.Ours = perOp(b)
	})
	if l.Ours > 0 && l.Peer > 0 {
		result.Report(b, l)
	}
}

// perOp is in seconds.
func perOp(b *testing.B) float64 { return b.Elapsed().Seconds() / float64(max(b.N, 1)) }
