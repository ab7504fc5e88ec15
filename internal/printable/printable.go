// Package printable makes text from outside safe to show at a terminal.
package printable

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text returns s in a form that can't drive a terminal: control characters but
// line breaks, characters that change the direction of text, invisible ones and
// bytes that are not UTF-8 are shown by their numbers, as in \x1b or \u202e.
func Text(s string) string {
	if !strings.Contains(s, "\n") {
		return Line(s)
	}
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = Line(l)
	}
	return strings.Join(lines, "\n")
}

// mostMarks is how many marks may stand on one character: more of them cover the
// lines around.
const mostMarks = 4

// Line is Text for where a line must stay one: line breaks are shown by their
// numbers too, and a tab is a space.
func Line(s string) string {
	if isPlain(s) {
		return s
	}
	var b strings.Builder
	marks := 0
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if IsMark(r) {
			marks++
		} else {
			marks = 0
		}
		switch {
		case r == '\t':
			b.WriteByte(' ')
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsPrint(r) && marks <= mostMarks:
			b.WriteString(s[i : i+n])
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		i += n
	}
	return b.String()
}

// isPlain reports whether s is printable ASCII.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// IsMark reports whether r stands on the character before it.
func IsMark(r rune) bool { return unicode.In(r, unicode.Mn, unicode.Me) }
