package imagepolicy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Reason says why a tag is not eligible.
type Reason string

const (
	// Filtered tags do not match Spec.Pattern.
	Filtered Reason = "does not match the pattern"
	// NotAVersion tags are no semantic versions of three numbers.
	NotAVersion Reason = "not a semantic version"
	// OutOfRange tags are versions that Spec.Range excludes.
	OutOfRange Reason = "out of range"
	// NotANumber tags are neither integers nor decimals.
	NotANumber Reason = "not a number"
	// NotADate tags do not have the form of Spec.Layout, or name a day that is
	// not in the calendar.
	NotADate Reason = "not in the layout"
	// NoDate tags have an image whose date of creation is not known.
	NoDate Reason = "no date of creation"
)

// Skipped counts the tags that are not eligible.
type Skipped map[Reason]int

// String lists the reasons, the most frequent first.
func (s Skipped) String() string {
	if len(s) == 0 {
		return "none skipped"
	}
	reasons := slices.SortedFunc(maps.Keys(s), func(a, b Reason) int {
		if s[a] != s[b] {
			return s[b] - s[a]
		}
		return strings.Compare(string(a), string(b))
	})
	parts := make([]string, len(reasons))
	for i, r := range reasons {
		parts[i] = fmt.Sprintf("%d %s", s[r], r)
	}
	return strings.Join(parts, ", ")
}

func (s Skipped) clone() Skipped { return maps.Clone(s) }

func (s Skipped) total() int {
	n := 0
	for _, c := range s {
		n += c
	}
	return n
}

// Choice is what a policy chose.
type Choice struct {
	// Tag is the winner, as the registry spells it; empty if there is none.
	Tag string
	// Value is what was ranked: what Spec.Extract took out of the tag, or the tag;
	// for the kind Newest, the date.
	Value string
	// Tags is how many tags the set has; Eligible is how many of them the policy
	// could choose.
	Tags, Eligible int
	// Skipped counts the others.
	Skipped Skipped
}

// listed is how many tags an explanation names of each sort.
const listed = 10

// Explanation says how a choice came about.
type Explanation struct {
	// Policy describes the policy.
	Policy string
	// Choice is as Select returns it.
	Choice Choice
	// Over are the best eligible tags that did not win, best first; at most 10.
	Over []string
	// Ties are the tags among all eligible ones that rank as the winner does, and
	// lost because their name is bytewise less, sorted; at most 10.
	Ties []string
	// Examples are, for each reason, the first skipped tags by name; at most 10.
	Examples map[Reason][]string
}

// Explain says which tag a policy chooses, over which, and which it skips and
// why. It evaluates every tag, and keeps nothing.
func (s *Set) Explain(p *Policy) Explanation {
	tags, created := s.sorted()
	e := Explanation{Policy: p.String(), Choice: Choice{Tags: len(tags), Skipped: Skipped{}}, Examples: map[Reason][]string{}}
	order := ranking{descending: p.spec.Order == Descending}
	for _, t := range tags {
		key, reason := p.evaluate(t.name, created)
		if reason == "" {
			order.items = append(order.items, candidate{tag: t, key: key})
			continue
		}
		e.Choice.Skipped[reason]++
		if len(e.Examples[reason]) < listed {
			e.Examples[reason] = append(e.Examples[reason], t.name)
		}
	}
	e.Choice.Eligible = len(order.items)
	if e.Choice.Eligible == 0 {
		return e
	}
	slices.SortFunc(order.items, func(a, b candidate) int {
		switch {
		case order.above(a, b):
			return -1
		case order.above(b, a):
			return 1
		}
		return 0
	})
	e.rank(p, order.items, created)
	return e
}

// rank fills in what follows from the eligible tags, best first.
func (e *Explanation) rank(p *Policy, items []candidate, created map[string]time.Time) {
	best := items[0]
	e.Choice.Tag = best.tag.name
	e.Choice.Value = p.value(best.tag.name, created[best.tag.name])
	for i, c := range items[1:] {
		tie := c.key == best.key
		if i >= listed && !tie {
			break
		}
		if i < listed {
			e.Over = append(e.Over, c.tag.name)
		}
		if tie && len(e.Ties) < listed {
			e.Ties = append(e.Ties, c.tag.name)
		}
	}
	slices.Sort(e.Ties)
}

// String writes the explanation in a few lines for people.
func (e Explanation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "policy: %s\n", e.Policy)
	if e.Choice.Tag == "" {
		fmt.Fprintf(&b, "chosen: none of %d tags\n", e.Choice.Tags)
	} else {
		fmt.Fprintf(&b, "chosen: %s, of %d eligible of %d tags\n", e.Choice.Tag, e.Choice.Eligible, e.Choice.Tags)
		if e.Choice.Value != e.Choice.Tag {
			fmt.Fprintf(&b, "ranked by: %s\n", e.Choice.Value)
		}
	}
	if len(e.Over) > 0 {
		fmt.Fprintf(&b, "over: %s%s\n", strings.Join(e.Over, ", "), more(e.Choice.Eligible-1-len(e.Over)))
	}
	if len(e.Ties) > 0 {
		fmt.Fprintf(&b, "same rank: %s\n", strings.Join(e.Ties, ", "))
	}
	for _, reason := range slices.Sorted(maps.Keys(e.Examples)) {
		names := e.Examples[reason]
		fmt.Fprintf(&b, "skipped, %s: %s%s\n", reason, strings.Join(names, ", "), more(e.Choice.Skipped[reason]-len(names)))
	}
	return b.String()
}

func more(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(" and %d more", n)
}
