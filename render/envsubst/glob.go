package envsubst

import (
	"slices"
	"unicode/utf8"
)

// glob is one element of a pattern: a rune, any rune, any run of runes, or a class.
type glob struct {
	kind   byte // 'r', '?', '*', '['
	r      rune
	not    bool
	ranges [][2]rune
}

// parseGlob reads the pattern language of path.Match, in which * also matches
// slashes. ok is false where the pattern is malformed.
func parseGlob(p string) (out []glob, ok bool) {
	rs := []rune(p)
	for i := 0; i < len(rs); i++ {
		switch rs[i] {
		case '*', '?':
			out = append(out, glob{kind: byte(rs[i])})
		case '[':
			g, next, ok := parseClass(rs, i+1)
			if !ok {
				return nil, false
			}
			out, i = append(out, g), next
		case '\\':
			if i++; i >= len(rs) {
				return nil, false
			}
			fallthrough
		default:
			out = append(out, glob{kind: 'r', r: rs[i]})
		}
	}
	return out, true
}

// parseClass reads a class from behind its bracket; next is the index of the
// closing one.
func parseClass(rs []rune, i int) (g glob, next int, ok bool) {
	g.kind = '['
	if i < len(rs) && rs[i] == '^' {
		g.not = true
		i++
	}
	for first := true; i < len(rs); first = false {
		if rs[i] == ']' && !first {
			return g, i, true
		}
		lo, after, ok := classRune(rs, i)
		if !ok {
			return g, 0, false
		}
		hi := lo
		if after < len(rs) && rs[after] == '-' {
			if hi, after, ok = classRune(rs, after+1); !ok {
				return g, 0, false
			}
		}
		g.ranges = append(g.ranges, [2]rune{lo, hi})
		i = after
	}
	return g, 0, false
}

func classRune(rs []rune, i int) (r rune, next int, ok bool) {
	if i < len(rs) && rs[i] == '\\' {
		i++
	} else if i < len(rs) && (rs[i] == '-' || rs[i] == ']') {
		return 0, 0, false
	}
	if i >= len(rs) {
		return 0, 0, false
	}
	return rs[i], i + 1, true
}

func (g glob) matches(r rune) bool {
	switch g.kind {
	case 'r':
		return g.r == r
	case '?':
		return true
	}
	in := false
	for _, rg := range g.ranges {
		in = in || (rg[0] <= r && r <= rg[1])
	}
	return in != g.not
}

// matchEnds feeds runes to the pattern and returns after how many bytes it
// matched: the first such place, or the last one if longest. Zero: nowhere.
// Time is the length of the text times the length of the pattern.
func matchEnds(pattern []glob, next func() (rune, int), longest bool) int {
	states, after := make([]bool, len(pattern)+1), make([]bool, len(pattern)+1)
	closure(pattern, states, 0)
	matched, read := 0, 0
	for {
		r, n := next()
		if n == 0 {
			return matched
		}
		read += n
		clear(after)
		alive := false
		for i, on := range states[:len(pattern)] {
			if !on {
				continue
			}
			if pattern[i].kind == '*' {
				closure(pattern, after, i)
				alive = true
			} else if pattern[i].matches(r) {
				closure(pattern, after, i+1)
				alive = true
			}
		}
		states, after = after, states
		if states[len(pattern)] {
			if matched = read; !longest {
				return matched
			}
		}
		if !alive {
			return matched
		}
	}
}

// closure turns on state i and those that follow it without a rune.
func closure(pattern []glob, states []bool, i int) {
	for !states[i] {
		states[i] = true
		if i == len(pattern) || pattern[i].kind != '*' {
			break
		}
		i++
	}
}

func trimPrefix(s, pattern string, longest bool) string {
	p, ok := parseGlob(pattern)
	if !ok {
		return s
	}
	rest := s
	n := matchEnds(p, func() (rune, int) {
		r, n := utf8.DecodeRuneInString(rest)
		rest = rest[n:]
		return r, n
	}, longest)
	return s[n:]
}

func trimSuffix(s, pattern string, longest bool) string {
	p, ok := parseGlob(pattern)
	if !ok {
		return s
	}
	slices.Reverse(p)
	rest := s
	n := matchEnds(p, func() (rune, int) {
		r, n := utf8.DecodeLastRuneInString(rest)
		rest = rest[:len(rest)-n]
		return r, n
	}, longest)
	return s[:len(s)-n]
}
