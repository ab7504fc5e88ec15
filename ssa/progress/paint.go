package progress

import (
	"strings"
)

// A span is a part of a line in one style, which is an SGR code or "". Its text
// is clean.
type span struct{ style, text string }

type line []span

const (
	none    = ""
	bold    = "1"
	dim     = "2"
	red     = "31"
	green   = "32"
	yellow  = "33"
	magenta = "35"
	cyan    = "36"
)

// painter turns lines into what a terminal shows.
type painter struct{ color, unicode bool }

// symbol returns the first where it can be shown, else the second.
func (p painter) symbol(nice, ascii string) string {
	if p.unicode {
		return nice
	}
	return ascii
}

// text returns the whole of a line.
func (p painter) text(l line) string {
	var b strings.Builder
	for _, s := range l {
		p.write(&b, s)
	}
	return b.String()
}

func (p painter) write(b *strings.Builder, s span) {
	if !p.color || s.style == none {
		b.WriteString(s.text)
		return
	}
	b.WriteString("\x1b[" + s.style + "m" + s.text + "\x1b[0m")
}

// fit returns lines of which each takes less than the width of the terminal.
func (p painter) fit(lines []line, width int) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = p.fitOne(l, max(width-1, 1))
	}
	return out
}

func (p painter) fitOne(l line, most int) string {
	total := 0
	for _, s := range l {
		total += columnsOf(s.text)
	}
	if total <= most {
		return p.text(l)
	}
	more := p.symbol("…", "~")
	left := most - columnsOf(more)
	var b strings.Builder
	for _, s := range l {
		text, n := cut(s.text, left)
		p.write(&b, span{s.style, text})
		if left -= n; len(text) < len(s.text) {
			break
		}
	}
	if left >= 0 {
		b.WriteString(more)
	}
	return b.String()
}

// pad returns s filled up with spaces, or cut, to so many columns.
func (p painter) pad(s string, to int) string {
	n := columnsOf(s)
	if n > to {
		more := p.symbol("…", "~")
		s, n = cut(s, to-columnsOf(more))
		s, n = s+more, n+columnsOf(more)
	}
	return s + strings.Repeat(" ", max(to-n, 0))
}
