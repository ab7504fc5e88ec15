package imagepolicy

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// versionRange answers whether a version is in a range as the library does,
// without asking it for every version.
//
// For releases, each comparison of a range changes its answer only at its own
// version or at the next patch, minor or major version after that. Between two
// such edges the answer is one and the same, so that the library is asked once for
// each edge and once for what lies after it. Versions with a pre-release or build
// metadata, which follow rules of their own, are put to the library, except that
// no pre-release is in a range that names none.
type versionRange struct {
	constraint  *semver.Constraints
	preReleases bool
	edges       []core // ascending; the first is 0.0.0
	at, after   []bool // whether the edge, and what is between it and the next, is in the range
}

func newVersionRange(c *semver.Constraints) *versionRange {
	text := c.String()
	r := &versionRange{constraint: c, preReleases: strings.Contains(text, "-"), edges: []core{{}}}
	for _, word := range strings.FieldsFunc(text, func(c rune) bool { return strings.ContainsRune(" ,|=!<>~^", c) }) {
		r.addEdges(word)
	}
	slices.SortFunc(r.edges, compareCores)
	r.edges = slices.Compact(r.edges)
	for i, e := range r.edges {
		r.at = append(r.at, r.ask(version{core: e}))
		// The next patch is either the next edge, with nothing between, or it
		// stands for all that is between.
		next := core{e[0], e[1], add(e[2])}
		if i+1 < len(r.edges) && compareCores(next, r.edges[i+1]) >= 0 {
			next = e
		}
		r.after = append(r.after, r.ask(version{core: next}))
	}
	return r
}

// addEdges adds the edges of one comparison's version, such as 1.2.x-0.
func (r *versionRange) addEdges(word string) {
	word, _, _ = strings.Cut(strings.TrimPrefix(word, "v"), "+")
	word, _, _ = strings.Cut(word, "-")
	var base core
	for i, part := range strings.SplitN(word, ".", 3) {
		n, err := strconv.ParseUint(part, 10, 64)
		if err != nil {
			break // x, X or *: the rest counts as 0
		}
		base[i] = n
	}
	r.edges = append(r.edges, base,
		core{base[0], base[1], add(base[2])}, core{base[0], add(base[1]), 0}, core{add(base[0]), 0, 0})
}

func add(n uint64) uint64 { return n + min(1, math.MaxUint64-n) }

func compareCores(a, b core) int { return slices.Compare(a[:], b[:]) }

func (r *versionRange) has(v version) bool {
	if v.pre != "" && !r.preReleases {
		return false
	}
	if v.pre != "" || v.build != "" {
		return r.ask(v)
	}
	low, high := 0, len(r.edges) // the last edge that is not above v is in between
	for high-low > 1 {
		if middle := (low + high) / 2; compareCores(r.edges[middle], v.core) <= 0 {
			low = middle
		} else {
			high = middle
		}
	}
	if r.edges[low] == v.core {
		return r.at[low]
	}
	return r.after[low]
}

func (r *versionRange) ask(v version) bool {
	return r.constraint.Check(semver.New(v.core[0], v.core[1], v.core[2], v.pre, v.build))
}
