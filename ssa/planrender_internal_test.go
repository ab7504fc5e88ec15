package ssa

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAPlanCanNeitherDriveATerminalNorBreakOutOfMarkdown(t *testing.T) {
	nasty := "a\x1b[2J`@everyone`\n```\n# b"
	p := &Plan{Objects: []PlanObject{{
		Version: "v1", Kind: nasty, Name: nasty, Action: Update, Reason: nasty, Error: nasty,
		Diff:  []PlanChange{{Path: nasty, Old: nasty, New: map[string]any{"k": nasty}}},
		Taken: []FieldOwner{{Path: nasty, Manager: nasty}},
	}}}
	var text, markdown strings.Builder
	if err := p.WriteText(&text, false); err != nil {
		t.Fatal(err)
	}
	if err := p.WriteMarkdown(&markdown); err != nil {
		t.Fatal(err)
	}
	if all := text.String() + markdown.String(); strings.Contains(all, "\x1b") {
		t.Errorf("it drives the terminal: %q", all)
	}
	fences := 0
	for line := range strings.Lines(markdown.String()) {
		if l := strings.TrimSpace(line); strings.HasPrefix(l, "```") {
			fences++
		} else if strings.HasPrefix(l, "#") {
			t.Errorf("a heading of its own: %q", l)
		}
	}
	if fences != 2 {
		t.Errorf("%d lines with fences, want the two around the fields:\n%s", fences, markdown.String())
	}
}

func TestCodeInMarkdown(t *testing.T) {
	for in, want := range map[string]string{"web": "`web`", "a`b": "``a`b``", "`a": "`` `a ``", "a``b": "```a``b```", "a\nb": "`a b`"} {
		if got := code(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func TestAChangeIsOneLine(t *testing.T) {
	c := Change{Path: "data.x", Old: "a\nb", New: strings.Repeat("é", 90) + "\x07"}
	if diff := cmp.Diff("data.x: a⏎b → "+strings.Repeat("é", 80)+"…", c.String()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
