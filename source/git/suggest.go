package git

import (
	"fmt"
	"sort"
	"strings"
)

// maxSuggestions is how many names a message lists.
const maxSuggestions = 5

// suggest ends a message about a name that does not exist with those that
// come nearest to it; nothing if there are none.
func suggest(wanted string, names []string) string {
	if len(names) == 0 {
		return ""
	}
	type ranked struct {
		name     string
		distance int
	}
	all := make([]ranked, 0, len(names))
	for _, n := range names {
		d := editDistance(strings.ToLower(wanted), strings.ToLower(n))
		if strings.Contains(n, wanted) || strings.Contains(wanted, n) {
			d = min(d, 2)
		}
		all = append(all, ranked{n, d})
	}
	sort.SliceStable(all, func(i, j int) bool {
		a, b := all[i], all[j]
		return a.distance < b.distance || a.distance == b.distance && a.name < b.name
	})
	var out []string
	for _, r := range all[:min(len(all), maxSuggestions)] {
		out = append(out, fmt.Sprintf("%q", r.name))
	}
	more := ""
	if len(all) > maxSuggestions {
		more = fmt.Sprintf(" and %d more", len(all)-maxSuggestions)
	}
	return "; there is " + strings.Join(out, ", ") + more
}

// editDistance is Levenshtein's, of names cut to a length that bounds the work.
func editDistance(a, b string) int {
	const limit = 64
	a, b = a[:min(len(a), limit)], b[:min(len(b), limit)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(row[j+1]+1, row[j]+1, diagonal+cost)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
