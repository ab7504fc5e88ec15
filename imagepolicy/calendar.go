package imagepolicy

import (
	"strconv"
	"strings"
	"time"
)

// word is a word of a calendar layout.
type word struct {
	name     string
	rank     int // date words go from the year to the day; 0 is not of the date
	min, max int // how many digits it has; no max is 0
	low, top int // which numbers it admits; no top is 0
	padded   bool
}

// words are those of https://calver.org, longest first where one begins another.
var words = [...]word{
	{name: "YYYY", rank: 1, min: 4, max: 4},
	{name: "YY", rank: 1, min: 1, max: 3},
	{name: "0Y", rank: 1, min: 2, max: 2, padded: true},
	{name: "MM", rank: 2, min: 1, max: 2, low: 1, top: 12},
	{name: "0M", rank: 2, min: 2, max: 2, low: 1, top: 12, padded: true},
	{name: "WW", rank: 2, min: 1, max: 2, low: 1, top: 53},
	{name: "0W", rank: 2, min: 2, max: 2, low: 1, top: 53, padded: true},
	{name: "DD", rank: 3, min: 1, max: 2, low: 1, top: 31},
	{name: "0D", rank: 3, min: 2, max: 2, low: 1, top: 31, padded: true},
	{name: "MAJOR", min: 1},
	{name: "MINOR", min: 1},
	{name: "MICRO", min: 1},
}

// part is a word, or literal text.
type part struct {
	word    *word
	literal string
}

func calendarRank(layout string) (rankFunc, error) {
	parts, err := parseLayout(layout)
	if err != nil {
		return nil, err
	}
	return func(key []byte, value string) ([]byte, Reason) {
		longer, ok := appendCalendarKey(key, parts, value)
		if !ok {
			return key, NotADate
		}
		return longer, ""
	}, nil
}

func parseLayout(layout string) ([]part, error) {
	if layout == "" {
		return nil, invalid("Layout", layout, "it is required, such as \"YYYY.0M.0D\"")
	}
	var parts []part
	rank, year := 0, false
	for rest := layout; rest != ""; {
		w := nextWord(rest)
		if w == nil {
			parts = appendLiteral(parts, rest[:1])
			rest = rest[1:]
			continue
		}
		if n := len(parts); n > 0 && parts[n-1].word != nil && parts[n-1].word.min != parts[n-1].word.max {
			return nil, invalid("Layout", layout, "nothing says where %s ends and %s begins", parts[n-1].word.name, w.name)
		}
		if w.rank != 0 && w.rank <= rank {
			return nil, invalid("Layout", layout, "%s comes too late: the order is year, month or week, day", w.name)
		}
		rank, year = max(rank, w.rank), year || w.rank == 1
		parts = append(parts, part{word: w})
		rest = rest[len(w.name):]
	}
	if !year {
		return nil, invalid("Layout", layout, "it has no year (YYYY, YY or 0Y)")
	}
	return parts, nil
}

func nextWord(s string) *word {
	for i := range words {
		if strings.HasPrefix(s, words[i].name) {
			return &words[i]
		}
	}
	return nil
}

func appendLiteral(parts []part, s string) []part {
	if n := len(parts); n > 0 && parts[n-1].word == nil {
		parts[n-1].literal += s
		return parts
	}
	return append(parts, part{literal: s})
}

// appendCalendarKey reads a value by the layout: its numbers in the order they
// stand.
func appendCalendarKey(key []byte, parts []part, value string) ([]byte, bool) {
	date := calendarDate{month: 1, day: 1}
	for _, p := range parts {
		if p.word == nil {
			rest, ok := strings.CutPrefix(value, p.literal)
			if !ok {
				return key, false
			}
			value = rest
			continue
		}
		number, ok := p.word.take(value)
		if !ok {
			return key, false
		}
		value = value[len(number):]
		date.set(p.word, number)
		key = appendInteger(key, number)
	}
	return key, value == "" && date.exists()
}

// take returns the digits at the beginning of s that are the word.
func (w *word) take(s string) (string, bool) {
	n := digits(s)
	if w.max > 0 {
		n = min(n, w.max)
	}
	if n < w.min || n > 1 && s[0] == '0' && w.max != 4 && !w.padded {
		return "", false
	}
	if w.top > 0 {
		i, err := strconv.Atoi(s[:n])
		if err != nil || i < w.low || i > w.top {
			return "", false
		}
	}
	return s[:n], true
}

// calendarDate tells dates from what only looks like one, as 2025-02-30.
type calendarDate struct{ year, month, day int }

func (d *calendarDate) set(w *word, number string) {
	n, err := strconv.Atoi(number)
	if err != nil {
		return // longer than any word of a date
	}
	switch w.name {
	case "YYYY":
		d.year = n
	case "YY", "0Y":
		d.year = 2000 + n
	case "MM", "0M":
		d.month = n
	case "DD", "0D":
		d.day = n
	}
}

func (d *calendarDate) exists() bool {
	return time.Date(d.year, time.Month(d.month), d.day, 0, 0, 0, 0, time.UTC).Day() == d.day
}
