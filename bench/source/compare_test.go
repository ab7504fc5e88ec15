package source_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

// line is what each case prints: how long an operation takes, or how much it
// needs, ours and the peer's.
type line struct {
	Name     string  `json:"name"`
	N        int     `json:"n"` // of what an operation handles
	Ours     float64 `json:"ours"`
	PeerName string  `json:"peer_name"`
	Peer     float64 `json:"peer"`
	Ratio    float64 `json:"ratio"` // peer / ours
	Unit     string  `json:"unit"`
	Requests int     `json:"requests"` // ours, for an operation; -1 where none are counted
}

func (l line) print() {
	if l.Ours > 0 {
		l.Ratio = l.Peer / l.Ours
	}
	data, err := json.Marshal(l)
	if err != nil {
		panic(err)
	}
	fmt.Fprintf(os.Stdout, "%s\n", data)
}

// caseName is that of the benchmark: git/one-file-changed for
// BenchmarkGit/one-file-changed.
func caseName(b *testing.B) string {
	group, name, _ := strings.Cut(strings.TrimPrefix(b.Name(), "Benchmark"), "/")
	return strings.ToLower(group) + "/" + name
}

// compare runs the peer and then ours, and prints their ratio. Ours returns the
// requests of an operation, -1 if none are counted.
func compare(b *testing.B, n int, peerName string, peer func(b *testing.B), ours func(b *testing.B) int) {
	l := line{Name: caseName(b), N: n, PeerName: peerName, Unit: "s", Requests: -1}
	b.Run("peer", func(b *testing.B) {
		peer(b)
		l.Peer = perOp(b)
	})
	b.Run("ours", func(b *testing.B) {
		l.Requests = ours(b)
		l.Ours = perOp(b)
	})
	if l.Ours > 0 && l.Peer > 0 {
		l.print()
	}
}

// perOp is in seconds.
func perOp(b *testing.B) float64 { return b.Elapsed().Seconds() / float64(max(b.N, 1)) }
