package progress

import (
	"fmt"
	"strings"
	"time"

	"github.com/gitopskit/gitopskit/ssa"
	"github.com/gitopskit/gitopskit/ssa/health"
)

// actionMarks are those of ssa's plans.
var actionMarks = map[ssa.Action]struct{ symbol, style string }{
	ssa.Create: {"+", green}, ssa.Update: {"~", yellow}, ssa.Recreate: {"±", magenta}, ssa.Prune: {"-", red},
	ssa.Orphan: {"o", yellow}, ssa.Skip: {".", dim},
}

// slow is how long a write takes that is worth a word.
const slow = time.Second

// objectLines returns what stays of an object: nothing where nothing was done.
func (p painter) objectLines(r ssa.ObjectResult, diffs bool) []line {
	if r.Err != nil {
		return p.errorLines(r.Err)
	}
	mark, ok := actionMarks[r.Action]
	if !ok {
		return nil
	}
	if mark.symbol == "±" {
		mark.symbol = p.symbol("±", "*")
	}
	l := line{{mark.style, clean(fmt.Sprintf("%s %s %s", mark.symbol, r.Action, r.Ref))}}
	if r.Reason != "" {
		l = append(l, span{none, clean(" (" + r.Reason + ")")})
	}
	if r.Duration >= slow {
		l = append(l, span{dim, " (" + r.Duration.Round(100*time.Millisecond).String() + ")"})
	}
	lines := []line{l}
	if diffs {
		for _, c := range r.Diff {
			lines = append(lines, line{{none, clean("    " + c.String())}})
		}
	}
	return lines
}

// errorLines returns an error, with what follows its first line indented.
func (p painter) errorLines(err error) []line {
	var lines []line
	for i, text := range strings.Split(err.Error(), "\n") {
		if i == 0 {
			lines = append(lines, line{{red, p.symbol("✗ ", "! ") + clean(text)}})
		} else {
			lines = append(lines, line{{none, "    " + clean(text)}})
		}
	}
	return lines
}

var stepWords = map[ssa.Step]string{
	ssa.StepRead: "reading", ssa.StepValidate: "validating", ssa.StepWrite: "writing", ssa.StepPrune: "pruning", ssa.StepWait: "waiting",
}

func stepWord(m *model) string {
	if m.waits() {
		return stepWords[ssa.StepWait]
	}
	return stepWords[m.step]
}

// stepLine says in a log that a step begins.
func (p painter) stepLine(s ssa.Step, objects int) line {
	word := stepWords[s]
	if s == ssa.StepWait {
		word = "waiting for"
	}
	return line{{dim, fmt.Sprintf("%s %s", word, number(objects))}}
}

func number(objects int) string {
	if objects == 1 {
		return "1 object"
	}
	return fmt.Sprintf("%d objects", objects)
}

// healthLine says in a log how far an object has come.
func (p painter) healthLine(o health.Observation) line {
	return line{{statusStyle(o.Status), oneLine(o.String())}}
}

func statusStyle(s health.Status) string {
	switch s {
	case health.Current:
		return green
	case health.Failed:
		return red
	}
	return none
}

// stillNamed is how many objects a line in a log names.
const stillNamed = 3

// stillLine says in a log that it goes on.
func (p painter) stillLine(m *model, now time.Time) line {
	done, total := m.progress()
	text := fmt.Sprintf("still %s after %s", stepWord(m), elapsed(now.Sub(m.began)))
	if total > 0 {
		text += fmt.Sprintf(": %d of %d %s", done, total, doneWord(m))
	}
	unready := m.unready()
	for i, w := range unready {
		if i == stillNamed {
			text += fmt.Sprintf("; and %d more", len(unready)-i)
			break
		}
		text += "; " + oneLine(w.String())
	}
	return line{{dim, text}}
}

func doneWord(m *model) string {
	if m.waits() {
		return "ready"
	}
	return "done"
}

// summaryLine counts what was done.
func (p painter) summaryLine(m *model, now time.Time) line {
	var parts []string
	for _, c := range []struct {
		action ssa.Action
		word   string
	}{{ssa.Create, "created"}, {ssa.Update, "updated"}, {ssa.Recreate, "recreated"}, {ssa.Unchanged, "unchanged"}, {ssa.Skip, "skipped"}, {ssa.Prune, "pruned"}, {ssa.Orphan, "orphaned"}} {
		if n := m.counts[c.action]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, c.word))
		}
	}
	if m.failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", m.failed))
	}
	if m.missed > 0 {
		parts = append(parts, fmt.Sprintf("%d not reached", m.missed))
	}
	return p.verdict(m.failed+m.missed == 0, strings.Join(parts, ", "), now.Sub(m.started))
}

// verdict returns how something has ended.
func (p painter) verdict(good bool, text string, took time.Duration) line {
	style, symbol, word := green, p.symbol("✓", "ok:"), "in"
	if !good {
		style, symbol, word = red, p.symbol("✗", "!"), "after"
	}
	return line{{style, symbol}, {none, " " + text}, {dim, " " + word + " " + elapsed(took)}}
}

// mostConcluded is how many objects the last state of a wait names.
const mostConcluded = 20

// conclusion returns how a wait has ended, with what is missing.
func (p painter) conclusion(m *model, now time.Time) []line {
	if !m.waits() {
		return nil
	}
	done, total := m.progress()
	lines := []line{p.verdict(done == total, fmt.Sprintf("%d of %d ready", done, total), now.Sub(m.began))}
	return append(lines, p.waitedLines(m, now, mostConcluded, 0)...)
}

// elapsed returns a time in whole seconds.
func elapsed(d time.Duration) string {
	s := int(d / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	}
	return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
}
