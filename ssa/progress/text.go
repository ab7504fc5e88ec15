package progress

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// Printable returns s in a form that can't drive a terminal: control characters
// but line breaks, characters that change the direction of text, invisible ones
// and bytes that are not UTF-8 are shown by their numbers, as in \x1b or \u202e.
// It is for text from the cluster, such as errors and plans, that a program
// prints itself.
func Printable(s string) string {
	if !strings.Contains(s, "\n") {
		return clean(s)
	}
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = clean(l)
	}
	return strings.Join(lines, "\n")
}

// mostMarks is how many marks may stand on one character: more of them cover the
// lines around.
const mostMarks = 4

// clean returns s as text that takes the columns that columns counts: line
// breaks are shown by their numbers too, and a tab is a space.
func clean(s string) string {
	if isPlain(s) {
		return s
	}
	var b strings.Builder
	marks := 0
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if isMark(r) {
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

// oneLine returns s on one line, for where there is room for no more.
func oneLine(s string) string { return clean(strings.Join(strings.Fields(s), " ")) }

// isPlain reports whether s is printable ASCII.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func isMark(r rune) bool { return unicode.In(r, unicode.Mn, unicode.Me) }

// columns returns how many columns a terminal takes at most for a character:
// terminals do not agree on all of them.
func columns(r rune) int {
	if r < utf8.RuneSelf {
		return 1
	}
	if isMark(r) {
		if r == '\ufe0f' { // asks for the wide form of the character before
			return 1
		}
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth, width.EastAsianAmbiguous:
		return 2
	}
	return 1
}

func columnsOf(s string) int {
	n := 0
	for _, r := range s {
		n += columns(r)
	}
	return n
}

// cut returns as much of s as fits into so many columns, and how many it takes.
func cut(s string, most int) (string, int) {
	n := 0
	for i, r := range s {
		w := columns(r)
		if n+w > most {
			return s[:i], n
		}
		n += w
	}
	return s, n
}
