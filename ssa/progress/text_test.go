package progress

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
	"github.com/gitopskit/gitopskit/ssa/health"
)

func TestTextThatWouldDriveTheTerminalIsShownByItsNumbers(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"plain text stays":                         {"web-1: 3 of 4", "web-1: 3 of 4"},
		"letters of the world stay":                {"é 世界 ไทย 👍", "é 世界 ไทย 👍"},
		"lines stay, with what is on them cleaned": {"a\x1b[2J\nb\r", "a\\x1b[2J\nb\\x0d"},
		"colours":                         {"\x1b[31mred", `\x1b[31mred`},
		"the title of the window":         {"\x1b]0;owned\a", `\x1b]0;owned\x07`},
		"C1, as one character":            {"\u009b2J", `\u009b2J`},
		"C1, as a byte that is not UTF-8": {"\x9b2J", `\x9b2J`},
		"carriage return and backspace":   {"ok\rno\b", `ok\x0dno\x08`},
		"delete":                          {"a\x7f", `a\x7f`},
		"a tab is a space":                {"a\tb", "a b"},
		"text that runs backwards":        {"a\u202egnp.exe", `a\u202egnp.exe`},
		"isolates and marks":              {"\u2066a\u200f", `\u2066a\u200f`},
		"invisible characters":            {"a\u200bb\ufeff", `a\u200bb\ufeff`},
		"separators of lines":             {"a\u2028b\u0085", `a\u2028b\u0085`},
		"tags":                            {"a\U000e0041", `a\U000e0041`},
		"a heap of marks":                 {"a" + strings.Repeat("\u0301", 6), "a" + strings.Repeat("\u0301", 4) + `\u0301\u0301`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := Printable(tt.in)
			if got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
			if again := Printable(got); again != got {
				t.Errorf("not the same again: %q", again)
			}
		})
	}
}

func TestColumnsThatTextTakes(t *testing.T) {
	for text, want := range map[string]int{"": 0, "abc": 3, "世界": 4, "e\u0301": 1, "👍": 2, "ｶ": 1, "Ａ": 2, "❤\ufe0f": 2, "🇩🇪": 2} {
		if got := columnsOf(text); got != want {
			t.Errorf("%q: %d columns, want %d", text, got, want)
		}
	}
	if got, n := cut("a世界", 4); got != "a世" || n != 3 {
		t.Errorf("cut to %q of %d columns", got, n)
	}
}

func TestEveryWayToShowTextIsSafe(t *testing.T) {
	c := newClock()
	for _, live := range []bool{true, false} {
		for _, nasty := range []string{"\x1b[2J\x1b]0;x\a", "\u009b31m\x9b", "a\nb\rc", "\u202e", strings.Repeat("世", 90), "\xff\xfe", strings.Repeat("\u0301", 40)} {
			v := newVT(t, 40, 8)
			term := v.terminal()
			term.live, term.color = live, live
			tellAll(newDisplay(term, Options{Diffs: true}, c.now), nasty)
			if !live && strings.Contains(v.raw.String(), "\x1b") {
				t.Errorf("escape sequences in a log: %q", v.raw.String())
			}
		}
	}
}

// tellAll puts a text into everything that a Display is told.
func tellAll(d *Display, s string) {
	r := inventory.Ref{Group: s, Kind: s, Namespace: s, Name: s}
	d.Step(ssa.StepWrite, 3)
	d.Object(ssa.ObjectResult{Ref: r, Action: ssa.Update, Reason: s, Diff: []ssa.Change{{Path: s, Old: s, New: map[string]any{s: s}}}})
	d.Object(ssa.ObjectResult{Ref: r, Action: ssa.Create, Err: &ssa.Error{Op: "apply", Ref: r, Origin: s, Err: fmt.Errorf("%w: %s", ssa.ErrInvalid, s)}})
	_, _ = fmt.Fprintf(d, "%s\nnot a whole line %s", s, s) // a vt never fails
	d.Health(health.Observation{Ref: r, Report: health.Report{Status: health.Failed, Message: s}})
	d.tick()
	d.Step(ssa.StepWait, 3)
	d.Health(health.Observation{Ref: r, Report: health.Report{Status: health.InProgress, Message: s}})
	d.tick()
	_ = d.Close() // a vt never fails
}

// FuzzNothingDrivesTheTerminal: a vt fails where it is sent anything but what a
// Display needs.
func FuzzNothingDrivesTheTerminal(f *testing.F) {
	f.Add("\x1b[31mred\x1b[0m", uint8(80), uint8(24))
	f.Add("\x9b\u009b\u202e\r\n\t\b", uint8(10), uint8(2))
	f.Add("世界\u0301👍\ufe0f", uint8(3), uint8(1))
	f.Fuzz(func(t *testing.T, s string, width, height uint8) {
		v, c := newVT(t, int(max(width, 1)), int(max(height, 1))), newClock()
		d := newDisplay(v.terminal(), Options{Diffs: true}, c.now)
		tellAll(d, s)
		if wrong := v.atRest(); wrong != "" {
			t.Error(wrong)
		}
		if !utf8.ValidString(v.raw.String()) {
			t.Errorf("not UTF-8: %q", v.raw.String())
		}
		if got := v.all(); width > 20 && (strings.Contains(got, " writing") || strings.Contains(got, " waiting")) && !strings.Contains(s, "w") {
			t.Errorf("live lines were left behind:\n%s", got)
		}
	})
}
