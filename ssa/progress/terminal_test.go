package progress

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// vt is a terminal as far as a Display needs one, which fails the test where it
// is sent anything else. Its lines are kept whole, as those that wrap, so that it
// can lay them out anew for another width, as most terminals do.
type vt struct {
	t             testing.TB
	width, height int
	reflows       bool // else a narrower screen cuts its rows off
	lines         [][]rune
	line, off     int  // where the cursor is
	pending       bool // the next character wraps
	top           int  // first row on the screen
	hidden        bool // the cursor
	raw           strings.Builder
}

func newVT(t testing.TB, width, height int) *vt {
	return &vt{t: t, width: width, height: height, reflows: true, lines: [][]rune{nil}}
}

func (v *vt) size() (int, int) { return v.width, v.height }

// terminal returns the end of the terminal that a Display has.
func (v *vt) terminal() *terminal { return &terminal{w: v, live: true, unicode: true, size: v.size} }

func (v *vt) rowsOf(line int) int { return max((len(v.lines[line])+v.width-1)/v.width, 1) }

// place returns the cursor's row within its line and its column.
func (v *vt) place() (row, col int) {
	if v.pending {
		return (v.off - 1) / v.width, v.width - 1
	}
	return v.off / v.width, v.off % v.width
}

func (v *vt) firstRow(line int) int {
	n := 0
	for i := range line {
		n += v.rowsOf(i)
	}
	return n
}

func (v *vt) cursorRow() int {
	r, _ := v.place()
	return v.firstRow(v.line) + r
}

var escape = regexp.MustCompile(`^\x1b\[(\?25[lh]|K|J|\d+A|\d*m)`)

func (v *vt) Write(p []byte) (int, error) {
	v.raw.Write(p)
	for s := string(p); s != ""; {
		if s[0] == '\x1b' {
			seq := escape.FindString(s)
			if seq == "" {
				v.t.Fatalf("not for a Display to send: %q", s[:min(len(s), 20)])
			}
			v.control(seq[2:])
			s = s[len(seq):]
			continue
		}
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1, r != '\r' && r != '\n' && r < ' ', r >= 0x7f && r < 0xa0:
			v.t.Fatalf("not for a Display to send: %q", s[:n])
		}
		v.put(r)
		s = s[n:]
		v.top = max(v.top, v.cursorRow()-v.height+1)
	}
	return len(p), nil
}

func (v *vt) control(seq string) {
	switch {
	case seq == "?25l", seq == "?25h":
		v.hidden = seq == "?25l"
	case seq == "K":
		v.clearRow()
	case seq == "J":
		v.clearRow()
		v.lines = v.lines[:v.line+1]
		row, _ := v.place()
		v.lines[v.line] = v.lines[v.line][:min(len(v.lines[v.line]), (row+1)*v.width)]
	case strings.HasSuffix(seq, "A"):
		n, err := strconv.Atoi(strings.TrimSuffix(seq, "A"))
		if err != nil {
			v.t.Fatal(err)
		}
		_, col := v.place()
		v.moveTo(max(v.cursorRow()-n, v.top), col)
	}
}

// clearRow clears the rest of a row, which no longer wraps into the next then.
func (v *vt) clearRow() {
	row, col := v.place()
	l := v.lines[v.line]
	if at := row*v.width + col; at < len(l) {
		rest := l[min(len(l), (row+1)*v.width):]
		v.lines[v.line] = l[:at:at]
		if len(rest) > 0 {
			v.lines = append(v.lines[:v.line+1], append([][]rune{rest}, v.lines[v.line+1:]...)...)
		}
	}
	v.off, v.pending = row*v.width+col, false
}

func (v *vt) moveTo(row, col int) {
	for i := range v.lines {
		if n := v.rowsOf(i); row >= n {
			row -= n
			continue
		}
		v.line, v.off, v.pending = i, row*v.width+col, false
		return
	}
	v.t.Fatal("the cursor has left the screen")
}

func (v *vt) put(r rune) {
	row, col := v.place()
	switch r {
	case '\r':
		v.off, v.pending = row*v.width, false
		return
	case '\n':
		switch {
		case row+1 < v.rowsOf(v.line):
			v.off = (row+1)*v.width + col
		default:
			if v.line++; v.line == len(v.lines) {
				v.lines = append(v.lines, nil)
			}
			v.off = col
		}
		v.pending = false
		return
	}
	n := min(columns(r), v.width)
	if n == 2 && v.off%v.width == v.width-1 {
		v.set(' ')
	}
	v.pending = v.pending && n == 0
	for i := range n {
		if i > 0 {
			r = 0 // the second half of a wide character
		}
		v.set(r)
	}
	v.pending = v.pending || n > 0 && v.off%v.width == 0
}

func (v *vt) set(r rune) {
	for len(v.lines[v.line]) <= v.off {
		v.lines[v.line] = append(v.lines[v.line], ' ')
	}
	v.lines[v.line][v.off] = r
	v.off++
}

func (v *vt) resize(width, height int) {
	if !v.reflows {
		var rows [][]rune
		at := v.cursorRow()
		_, col := v.place()
		for _, r := range v.rows() {
			rows = append(rows, r[:min(len(r), width)])
		}
		v.lines, v.width, v.height = rows, width, height
		v.moveTo(at, min(col, width-1))
	}
	v.width, v.height = width, height
	v.top = max(0, v.cursorRow()-height+1)
}

func (v *vt) rows() [][]rune {
	var out [][]rune
	for _, l := range v.lines {
		for ; len(l) > v.width; l = l[v.width:] {
			out = append(out, l[:v.width])
		}
		out = append(out, l)
	}
	return out
}

// all returns everything that can be read, that which has left the screen too.
func (v *vt) all() string { return v.read(v.rows()) }

// seen returns what is on the screen.
func (v *vt) seen() string { return v.read(v.rows()[v.top:]) }

func (v *vt) read(rows [][]rune) string {
	var b strings.Builder
	for _, r := range rows {
		text := strings.ReplaceAll(string(r), "\x00", "")
		b.WriteString(strings.TrimRight(text, " ") + "\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// atRest says what is wrong with the cursor between two frames, or at the end.
func (v *vt) atRest() string {
	if _, col := v.place(); v.hidden || col != 0 {
		return fmt.Sprintf("the cursor is in column %d, hidden %v", col, v.hidden)
	}
	return ""
}

// The terminal of the tests is worth nothing if it does not do what others do.
func TestTheTerminalOfTheTests(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"wraps at its width":                    {"abcdefghijkl", "abcdefghij\nkl\n"},
		"wraps late":                            {"abcdefghij\r\nx", "abcdefghij\nx\n"},
		"overwrites":                            {"abc\rx", "xbc\n"},
		"clears the rest of a row":              {"abc\rx\x1b[K", "x\n"},
		"clears what is below":                  {"a\r\nb\r\nc\x1b[2A\r\x1b[J!", "!\n"},
		"clears the last column where it waits": {"abcdefghij\x1b[K", "abcdefghi\n"},
		"goes up rows, not lines":               {"abcdefghijkl\x1b[1A\rX", "Xbcdefghij\nkl\n"},
		"does not go above the screen":          {"1\r\n2\r\n3\r\n4\x1b[9A\rX", "1\nX\n3\n4\n"},
		"leaves no half of a wide character":    {"abcdefghi世", "abcdefghi\n世\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := newVT(t, 10, 3)
			fmt.Fprint(v, tt.in)
			if got := v.all(); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
	v := newVT(t, 10, 3)
	fmt.Fprint(v, "abcdefghijkl\r\nm")
	v.resize(5, 3)
	if got := v.all(); got != "abcde\nfghij\nkl\nm\n" {
		t.Errorf("narrower: %q", got)
	}
	v = newVT(t, 10, 3)
	v.reflows = false
	fmt.Fprint(v, "abcdefghij\r\nm")
	v.resize(5, 3)
	if got := v.all(); got != "abcde\nm\n" {
		t.Errorf("narrower, and cutting off: %q", got)
	}
}
