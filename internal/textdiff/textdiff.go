// Package textdiff compares texts line by line.
package textdiff

import (
	"fmt"
	"strings"
)

const (
	around   = 3       // unchanged lines around a change
	maxCells = 4 << 20 // of the table of common lines
)

type line struct {
	mark byte // ' ', '-' or '+'
	text string
}

// Unified returns the difference of two texts in the unified format, with three
// lines of context and without file names; empty if they are equal. Texts of
// which too much differs are shown as one removed and one added.
func Unified(a, b string) string {
	if a == b {
		return ""
	}
	lines := compare(split(a), split(b))
	var out strings.Builder
	for start := 0; start < len(lines); {
		if lines[start].mark == ' ' {
			start++
			continue
		}
		from, to := max(0, start-around), start
		for gap := 0; to < len(lines) && gap <= 2*around; to++ {
			if gap++; lines[to].mark != ' ' {
				gap = 0
			}
		}
		for to > start && lines[to-1].mark == ' ' {
			to--
		}
		start = to
		hunk(&out, lines, from, min(len(lines), to+around))
	}
	return out.String()
}

func split(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}

// hunk writes lines[from:to] with its header.
func hunk(out *strings.Builder, lines []line, from, to int) {
	oldStart, newStart, oldLen, newLen := 1, 1, 0, 0
	for i, l := range lines[:to] {
		o, n := 0, 0
		if l.mark != '+' {
			o = 1
		}
		if l.mark != '-' {
			n = 1
		}
		if i < from {
			oldStart, newStart = oldStart+o, newStart+n
		} else {
			oldLen, newLen = oldLen+o, newLen+n
		}
	}
	if oldLen == 0 {
		oldStart--
	}
	if newLen == 0 {
		newStart--
	}
	fmt.Fprintf(out, "@@ -%d,%d +%d,%d @@\n", oldStart, oldLen, newStart, newLen)
	for _, l := range lines[from:to] {
		out.WriteByte(l.mark)
		out.WriteString(l.text + "\n")
	}
}

// compare aligns a and b by their longest common subsequence, after cutting off
// what is common at both ends.
func compare(a, b []string) []line {
	var head, tail []line
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		head = append(head, line{' ', a[0]})
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		tail = append([]line{{' ', a[len(a)-1]}}, tail...)
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return append(append(head, middle(a, b)...), tail...)
}

func middle(a, b []string) []line {
	var out []line
	width := len(b) + 1
	if len(a)*width > maxCells {
		for _, s := range a {
			out = append(out, line{'-', s})
		}
		for _, s := range b {
			out = append(out, line{'+', s})
		}
		return out
	}
	common := make([]int32, (len(a)+1)*width)
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i*width+j] = common[(i+1)*width+j+1] + 1
			} else {
				common[i*width+j] = max(common[(i+1)*width+j], common[i*width+j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out = append(out, line{' ', a[i]})
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[(i+1)*width+j] >= common[i*width+j+1]:
			out = append(out, line{'-', a[i]})
			i++
		default:
			out = append(out, line{'+', b[j]})
			j++
		}
	}
	return out
}
