package setters

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// text finds the bytes of what the YAML parser names by line and column.
type text struct {
	content []byte
	starts  []int // of each line
}

// byteOrderMark is no column of the first line.
const byteOrderMark = "\xef\xbb\xbf"

// newText cuts content into lines where the parser does: at CR LF, LF, CR, and
// the breaks of Unicode.
func newText(content []byte) text {
	t := text{content: content, starts: []int{0}}
	if bytes.HasPrefix(content, []byte(byteOrderMark)) {
		t.starts[0] = len(byteOrderMark)
	}
	for i := t.starts[0]; i < len(content); {
		n := breakAt(content[i:])
		if n == 0 {
			i++
			continue
		}
		i += n
		t.starts = append(t.starts, i)
	}
	return t
}

// breakAt returns how many bytes of a line break s begins with.
func breakAt(s []byte) int {
	switch {
	case len(s) > 1 && s[0] == '\r' && s[1] == '\n':
		return 2
	case len(s) > 0 && (s[0] == '\r' || s[0] == '\n'):
		return 1
	case len(s) > 1 && s[0] == 0xc2 && s[1] == 0x85:
		return 2
	case len(s) > 2 && s[0] == 0xe2 && s[1] == 0x80 && (s[2] == 0xa8 || s[2] == 0xa9):
		return 3
	}
	return 0
}

// line returns a line without its break, and where it starts; lines count from 1.
func (t text) line(n int) (string, int, bool) {
	if n < 1 || n > len(t.starts) {
		return "", 0, false
	}
	start, end := t.starts[n-1], len(t.content)
	if n < len(t.starts) {
		end = t.starts[n]
	}
	s := string(t.content[start:end])
	for i := range s {
		if breakAt([]byte(s[i:min(len(s), i+3)])) > 0 {
			return s[:i], start, true
		}
	}
	return s, start, true
}

// from returns what of a line begins at a column, counted in characters from 1.
func (t text) from(line, column int) (rest string, offset int, ok bool) {
	rest, offset, ok = t.line(line)
	for ; ok && column > 1; column-- {
		if rest == "" {
			return "", 0, false
		}
		_, n := utf8.DecodeRuneInString(rest)
		rest, offset = rest[n:], offset+n
	}
	return rest, offset, ok
}

// headComments returns the comments that stand alone on the lines right above,
// nearest first.
func (t text) headComments(line int) []string {
	var comments []string
	for n := line - 1; ; n-- {
		s, _, ok := t.line(n)
		s = strings.TrimLeft(s, " \t")
		if !ok || !strings.HasPrefix(s, "#") {
			return comments
		}
		comments = append(comments, s)
	}
}
