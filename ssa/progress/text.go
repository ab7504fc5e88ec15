package progress

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/width"

	"github.com/gitopskit/gitopskit/internal/printable"
)

// Printable returns s in a form that can't drive a terminal: control characters
// but line breaks, characters that change the direction of text, invisible ones
// and bytes that are not UTF-8 are shown by their numbers, as in \x1b or \u202e.
// It is for text from the cluster, such as errors, that a program prints itself.
func Printable(s string) string { return printable.Text(s) }

// clean returns s as text that takes the columns that columns counts.
func clean(s string) string { return printable.Line(s) }

// oneLine returns s on one line, for where there is room for no more.
func oneLine(s string) string { return clean(strings.Join(strings.Fields(s), " ")) }

// columns returns how many columns a terminal takes at most for a character:
// terminals do not agree on all of them.
func columns(r rune) int {
	if r < utf8.RuneSelf {
		return 1
	}
	if printable.IsMark(r) {
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
