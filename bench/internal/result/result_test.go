package result_test

import (
	"strings"
	"testing"

	"github.com/gitopskit/gitopskit/bench/internal/result"
)

func TestFiguresBecomeATable(t *testing.T) {
	var printed strings.Builder
	printed.WriteString("goos: linux\n")
	err := result.Print(&printed,
		result.Line{Name: "a/b", N: 10, Ours: 0.000123456789, PeerName: "p", Peer: 0.25, Unit: "s", Requests: 3},
		result.Line{Name: "none", Ours: 0, Peer: 1, Unit: "MiB"})
	if err != nil {
		t.Fatal(err)
	}
	if want := `"ours":0.00012346,"peer_name":"p","peer":0.25,"ratio":2025`; !strings.Contains(printed.String(), want) {
		t.Errorf("%s\nhas no %s", printed.String(), want)
	}
	var table strings.Builder
	if err := result.Table(&table, strings.NewReader(printed.String()+"PASS\n")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| a/b | 10 | 0.000123 s | p | 0.25 s | 2025 | 3 |", "| none | 0 | 0 MiB |  |  |  | 0 |"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("%s\nhas no %s", table.String(), want)
		}
	}
	if err := result.Table(&table, strings.NewReader("{broken")); err == nil {
		t.Error("a broken line is passed over")
	}
}
