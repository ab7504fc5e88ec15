package progress

import (
	"fmt"
	"strings"
	"time"

	"github.com/gitopskit/gitopskit/ssa"
	"github.com/gitopskit/gitopskit/ssa/health"
)

const (
	mostWaited = 10 // objects that the live lines name
	barWidth   = 24
	barNeeds   = 76 // columns of the terminal for there to be a bar
)

var (
	spinner      = []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}
	plainSpinner = []string{"|", "/", "-", "\\"}
)

// block returns the live lines. The first column is left to the cursor.
func (p painter) block(m *model, now time.Time, width, height int) []line {
	if m.step == "" && len(m.waiting) == 0 {
		return nil
	}
	lines := []line{p.header(m, now, width)}
	// One line of the terminal is left to what came before.
	return append(lines, p.waitedLines(m, now, min(mostWaited, height-2), width)...)
}

// header says what the step is, and how far it has come.
func (p painter) header(m *model, now time.Time, width int) line {
	turns := spinner
	if !p.unicode {
		turns = plainSpinner
	}
	turn := turns[int(now.Sub(m.started)/frameTime)%len(turns)]
	l := line{{none, " "}, {cyan, turn}, {bold, " " + stepWord(m)}}
	done, total := m.progress()
	switch {
	case total == 0:
	case m.step == ssa.StepRead, m.step == ssa.StepValidate:
		l = append(l, span{none, " " + number(total)})
	default:
		if width >= barNeeds {
			l = append(l, p.bar(done, total)...)
		}
		l = append(l, span{none, fmt.Sprintf(" %d/%d", done, total)})
	}
	if m.failed > 0 {
		l = append(l, span{red, fmt.Sprintf("  %d failed", m.failed)})
	}
	return append(l, span{dim, "  " + elapsed(now.Sub(m.began))})
}

func (p painter) bar(done, total int) line {
	full := min(barWidth*done/total, barWidth)
	return line{
		{none, " "},
		{green, strings.Repeat(p.symbol("━", "#"), full)},
		{dim, strings.Repeat(p.symbol("─", "-"), barWidth-full)},
	}
}

// waitedLines names what is waited for, so many lines at most. With a width, the
// columns are kept narrow enough for the reasons to be seen.
func (p painter) waitedLines(m *model, now time.Time, most, width int) []line {
	unready := m.unready()
	if most < 1 || len(unready) == 0 {
		return nil
	}
	refs := 0
	for _, w := range unready[:min(len(unready), most)] {
		refs = max(refs, columnsOf(clean(w.Ref.String())))
	}
	if width > 0 {
		refs = min(refs, width/2)
	}
	var lines []line
	for i, w := range unready {
		next := p.waitedLine(w, now, refs)
		left := len(unready) - i
		if len(lines)+len(next) > most || left > 1 && len(lines)+len(next) == most {
			return append(lines, line{{dim, fmt.Sprintf("   and %d more", left)}})
		}
		lines = append(lines, next...)
	}
	return lines
}

// waitedLine returns a line about one object, and one more if its pods have
// something to say.
func (p painter) waitedLine(w *waited, now time.Time, refs int) []line {
	text, pods, complain := strings.Cut(reason(w), "; pod ")
	lines := []line{{
		{none, "   "},
		{statusStyle(w.Status), p.pad(clean(w.Ref.String()), refs)},
		{dim, fmt.Sprintf("  %6s  ", elapsed(now.Sub(w.since)))},
		{none, text},
	}}
	if complain {
		lines = append(lines, line{{none, "     "}, {yellow, "pod " + pods}})
	}
	return lines
}

// reason says why an object is waited for.
func reason(w *waited) string {
	text := oneLine(w.Message)
	switch {
	case text == "":
		return string(w.Status)
	case w.Status != health.InProgress:
		return string(w.Status) + ": " + text
	}
	return text
}
