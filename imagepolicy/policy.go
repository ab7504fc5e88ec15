package imagepolicy

import (
	"fmt"
	"strings"
)

// Kind says how a policy ranks tags.
type Kind string

const (
	// Semver chooses the highest semantic version in Spec.Range. A tag needs all
	// three numbers; a leading v is allowed. Pre-releases are eligible only if the
	// range names one.
	Semver Kind = "semver"
	// Alphabetical compares bytes.
	Alphabetical Kind = "alphabetical"
	// Numerical compares integers and decimals of any length, such as 20060102,
	// -3 and 0.75; NaN, infinities, exponents and hexadecimals are not numbers.
	Numerical Kind = "numerical"
	// Calendar chooses the newest version written in Spec.Layout.
	Calendar Kind = "calendar"
)

// Order says which end of an order wins.
type Order string

const (
	// Ascending chooses the greatest; it is the default.
	Ascending Order = "asc"
	// Descending chooses the least.
	Descending Order = "desc"
)

// Spec is what a policy is made from. It is comparable: equal specs are the same
// policy, and share the work done for them in a Set.
type Spec struct {
	// Kind is required.
	Kind Kind
	// Range is required by Semver, and belongs to it alone: a range as
	// github.com/Masterminds/semver/v3 writes it, such as ">=1.2.0 <2.0.0", "1.x".
	Range string
	// Order belongs to Alphabetical and Numerical; empty means Ascending.
	Order Order
	// Layout is required by Calendar, and belongs to it alone. It is made of the
	// words of https://calver.org and literal text, from the year to the day:
	// YYYY, YY, 0Y, MM, 0M, WW, 0W, DD, 0D, MAJOR, MINOR, MICRO. Words that begin
	// with 0 are padded to two digits, the short ones must not be. YY and 0Y
	// count from 2000. Examples: "YYYY.0M.0D", "YY.0M.MICRO", "vYYYY0M0D-MICRO".
	Layout string
	// Pattern is a regular expression (RE2) found anywhere in a tag; empty admits
	// all tags.
	Pattern string
	// Extract is a template of what is ranked in place of the tag, with the groups
	// of Pattern as $name, ${name} or $1, and $$ for a dollar sign. Empty ranks the
	// tag itself.
	Extract string
}

// Policy ranks tags. It is immutable, and may be used by several goroutines at
// the same time.
type Policy struct {
	spec   Spec
	filter filter
	rank   func(value string) (key string, reason Reason)
}

// New makes a policy. Its error is an *Error that wraps ErrInvalid and names the
// field.
func New(spec Spec) (*Policy, error) {
	if err := belongs(spec); err != nil {
		return nil, err
	}
	f, err := newFilter(spec.Pattern, spec.Extract)
	if err != nil {
		return nil, err
	}
	p := &Policy{spec: spec, filter: f}
	switch spec.Kind {
	case Semver:
		p.rank, err = semverRank(spec.Range)
	case Alphabetical:
		p.rank = func(value string) (string, Reason) { return value, "" }
	case Numerical:
		p.rank = numericalRank
	case Calendar:
		p.rank, err = calendarRank(spec.Layout)
	case "":
		return nil, invalid("Kind", "", "it is required: one of %s, %s, %s, %s", Semver, Alphabetical, Numerical, Calendar)
	default:
		return nil, invalid("Kind", string(spec.Kind), "it is none of %s, %s, %s, %s", Semver, Alphabetical, Numerical, Calendar)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// belongs refuses a field that the kind would ignore.
func belongs(spec Spec) error {
	if spec.Range != "" && spec.Kind != Semver {
		return invalid("Range", spec.Range, "it belongs to the kind %s alone", Semver)
	}
	if spec.Layout != "" && spec.Kind != Calendar {
		return invalid("Layout", spec.Layout, "it belongs to the kind %s alone", Calendar)
	}
	switch spec.Order {
	case "":
		return nil
	case Ascending, Descending:
	default:
		return invalid("Order", string(spec.Order), "it is neither %s nor %s", Ascending, Descending)
	}
	if spec.Kind == Semver || spec.Kind == Calendar {
		return invalid("Order", string(spec.Order), "the kind %s has none: the highest wins", spec.Kind)
	}
	return nil
}

// Spec returns what the policy was made from.
func (p *Policy) Spec() Spec { return p.spec }

// String describes the policy in one line.
func (p *Policy) String() string {
	var b strings.Builder
	b.WriteString(string(p.spec.Kind))
	switch p.spec.Kind {
	case Semver:
		fmt.Fprintf(&b, " %q", p.spec.Range)
	case Calendar:
		fmt.Fprintf(&b, " %q", p.spec.Layout)
	case Alphabetical, Numerical:
		order := p.spec.Order
		if order == "" {
			order = Ascending
		}
		fmt.Fprintf(&b, " %s", order)
	}
	if p.spec.Pattern != "" {
		fmt.Fprintf(&b, ", pattern %q", p.spec.Pattern)
	}
	if p.spec.Extract != "" {
		fmt.Fprintf(&b, ", extract %q", p.spec.Extract)
	}
	return b.String()
}

// Select chooses among tags, once. Use a Set to choose repeatedly or for several
// policies. Duplicates count once. Its error wraps ErrNoTag.
func (p *Policy) Select(tags []string) (Choice, error) {
	return NewSet(tags...).Select(p)
}

// evaluate returns the value that is ranked, and its key: of two keys, the
// bytewise greater is the higher rank before Order is looked at.
func (p *Policy) evaluate(tag string) (value, key string, reason Reason) {
	value, ok := p.filter.apply(tag)
	if !ok {
		return "", "", Filtered
	}
	key, reason = p.rank(value)
	return value, key, reason
}
