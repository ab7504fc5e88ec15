// Package result prints the figures of the benchmarks, one line of JSON a case,
// and makes tables of them.
package result

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
)

// Line is the figure of one case.
type Line struct {
	Name     string  `json:"name"`
	N        int     `json:"n"`
	Ours     float64 `json:"ours"`
	PeerName string  `json:"peer_name"`
	Peer     float64 `json:"peer"`
	Ratio    float64 `json:"ratio"` // peer / ours, more is better; Print computes it
	Unit     string  `json:"unit"`
	Requests int64   `json:"requests"` // ours
}

// Print writes lines, with their ratios and five digits of each figure.
func Print(w io.Writer, lines ...Line) error {
	enc := json.NewEncoder(w)
	for _, l := range lines {
		l.Ratio = 0
		if l.Ours > 0 {
			l.Ratio = digits(l.Peer / l.Ours)
		}
		l.Ours, l.Peer = digits(l.Ours), digits(l.Peer)
		if err := enc.Encode(l); err != nil {
			return err
		}
	}
	return nil
}

// Report prints lines to the standard output.
func Report(tb testing.TB, lines ...Line) {
	tb.Helper()
	if err := Print(os.Stdout, lines...); err != nil {
		tb.Fatal(err)
	}
}

func digits(f float64) float64 {
	if f == 0 || math.IsInf(f, 0) || math.IsNaN(f) {
		return 0
	}
	scale := math.Pow(10, 4-math.Floor(math.Log10(math.Abs(f))))
	return math.Round(f*scale) / scale
}

// Table reads what benchmarks have printed and writes the lines of JSON in it as
// a table in Markdown.
func Table(w io.Writer, r io.Reader) error {
	var b strings.Builder
	b.WriteString("| case | n | ours | peer | its figure | ratio | requests |\n|---|---|---|---|---|---|---|\n")
	in := bufio.NewScanner(r)
	for in.Scan() {
		text := in.Text()
		if !strings.HasPrefix(text, "{") {
			continue
		}
		var l Line
		if err := json.Unmarshal([]byte(text), &l); err != nil || l.Name == "" {
			return fmt.Errorf("not a line of a benchmark: %s", text)
		}
		peer, ratio := "", ""
		if l.PeerName != "" {
			peer, ratio = number(l.Peer)+" "+l.Unit, number(l.Ratio)
		}
		fmt.Fprintf(&b, "| %s | %d | %s %s | %s | %s | %s | %d |\n",
			l.Name, l.N, number(l.Ours), l.Unit, l.PeerName, peer, ratio, l.Requests)
	}
	if err := in.Err(); err != nil {
		return err
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// number formats a figure with three digits, or all before the point.
func number(f float64) string {
	if f >= 100 {
		return strconv.FormatFloat(f, 'f', 0, 64)
	}
	return strconv.FormatFloat(f, 'g', 3, 64)
}
