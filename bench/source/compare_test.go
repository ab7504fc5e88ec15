package source_test

import (
	"testing"
	"time"
)

// compare runs the peer and then ours, and reports their ratio.
func compare(b *testing.B, peer, ours func(b *testing.B)) {
	var theirs float64
	b.Run("peer", func(b *testing.B) {
		peer(b)
		theirs = perOp(b)
	})
	b.Run("ours", func(b *testing.B) {
		ours(b)
		if mine := perOp(b); mine > 0 && theirs > 0 {
			b.ReportMetric(theirs/mine, "x-faster")
		}
	})
}

func perOp(b *testing.B) float64 {
	return float64(b.Elapsed()) / float64(max(b.N, 1)) / float64(time.Nanosecond)
}
