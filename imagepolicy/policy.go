package imagepolicy

import (
	"fmt"
	"strings"
	"time"
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
	// Newest chooses the image that was made last. The set must be told when
	// (Set.SetCreated); the package scan asks the registry. A tag whose date is not
	// known is skipped, and so is one of 1970 or before, as reproducible builds
	// have it.
	Newest Kind = "newest"
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
	// tag itself. A group that Pattern does not have is an error here; package
	// regexp, and others with it, would put nothing in its place without a word.
	Extract string
}

// Policy ranks tags. It is immutable, and may be used by several goroutines at
// the same time.
type Policy struct {
	spec   Spec
	filter filter
	rank   rankFunc // nil for the kinds that do not rank a text, or the text as it is
}

// rankFunc appends the rank of a value to key: of two ranks, the bytewise greater
// is the higher, before Order is looked at. With a reason, it returns key as it
// is.
type rankFunc func(key []byte, value string) ([]byte, Reason)

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
		p.rank = func(key []byte, value string) ([]byte, Reason) { return append(key, value...), "" }
	case Numerical:
		p.rank = numericalRank
	case Calendar:
		p.rank, err = calendarRank(spec.Layout)
	case Newest:
		if spec.Extract != "" {
			err = invalid("Extract", spec.Extract, "the kind %s ranks dates, not text", Newest)
		}
	case "":
		return nil, invalid("Kind", "", "it is required: one of %s", kinds())
	default:
		return nil, invalid("Kind", string(spec.Kind), "it is none of %s", kinds())
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

func kinds() string {
	return strings.Join([]string{string(Semver), string(Alphabetical), string(Numerical), string(Calendar), string(Newest)}, ", ")
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
	if spec.Kind != Alphabetical && spec.Kind != Numerical {
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
	case Newest:
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

// appendKey appends the rank of a tag to key; see rankFunc.
func (p *Policy) appendKey(key []byte, tag string, created map[string]time.Time) ([]byte, Reason) {
	value, ok := p.filter.apply(tag)
	switch {
	case !ok:
		return key, Filtered
	case p.spec.Kind == Newest:
		return appendCreatedKey(key, created[tag])
	case p.ranksNames():
		return key, ""
	}
	return p.rank(key, value)
}

// ranksNames says whether the rank of a tag is its name, so that no other key is
// needed.
func (p *Policy) ranksNames() bool { return p.spec.Kind == Alphabetical && p.spec.Extract == "" }

// evaluate returns the rank of one tag.
func (p *Policy) evaluate(tag string, created map[string]time.Time) (string, Reason) {
	key, reason := p.appendKey(nil, tag, created)
	if p.ranksNames() {
		return tag, reason
	}
	return string(key), reason
}

// value is what of a tag was ranked, for people.
func (p *Policy) value(tag string, created time.Time) string {
	if p.spec.Kind == Newest {
		return created.UTC().Format(time.RFC3339)
	}
	value, _ := p.filter.apply(tag)
	return value
}
