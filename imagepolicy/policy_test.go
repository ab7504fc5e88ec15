package imagepolicy

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func mustNew(t testing.TB, spec Spec) *Policy {
	t.Helper()
	p, err := New(spec)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSelect(t *testing.T) {
	calendar := func(layout string) Spec { return Spec{Kind: Calendar, Layout: layout} }
	for name, c := range map[string]struct {
		spec Spec
		tags []string
		want string // empty means ErrNoTag
	}{
		"the highest version in range":                  {Spec{Kind: Semver, Range: ">=6.0.0 <7.0.0"}, []string{"6.0.9", "6.0.10", "7.0.0", "latest"}, "6.0.10"},
		"what is nearly a version is skipped":           {Spec{Kind: Semver, Range: "*"}, []string{"1.0.0.1", "1.0.0p", "v1.0", "v1.2-5", "0.1.0", "01.2.3"}, "0.1.0"},
		"the v of a tag is kept":                        {Spec{Kind: Semver, Range: "1.x"}, []string{"v1.0.0", "v1.1.0"}, "v1.1.0"},
		"a range may have a v":                          {Spec{Kind: Semver, Range: "v1.0.x"}, []string{"1.0.3", "1.1.0"}, "1.0.3"},
		"pre-releases need a range that has one":        {Spec{Kind: Semver, Range: "1.0.x"}, []string{"1.0.1", "1.0.2-rc.1", "1.1.0-alpha"}, "1.0.1"},
		"pre-releases in a range that has one":          {Spec{Kind: Semver, Range: ">=1.0.0-0"}, []string{"1.0.1", "1.1.0-rc.2", "1.1.0-rc.10"}, "1.1.0-rc.10"},
		"a release is above its pre-releases":           {Spec{Kind: Semver, Range: ">=1.0.0-0"}, []string{"1.1.0-rc.2", "1.1.0"}, "1.1.0"},
		"same version, greatest name":                   {Spec{Kind: Semver, Range: "*"}, []string{"v1.0.0", "1.0.0"}, "v1.0.0"},
		"no version in range":                           {Spec{Kind: Semver, Range: ">9"}, []string{"1.0.0"}, ""},
		"empty repository":                              {Spec{Kind: Semver, Range: "*"}, nil, ""},
		"alphabetical picks the greatest":               {Spec{Kind: Alphabetical}, []string{"a", "c", "B"}, "c"},
		"alphabetical descending picks the least":       {Spec{Kind: Alphabetical, Order: Descending}, []string{"a", "c", "B"}, "B"},
		"numbers, not text":                             {Spec{Kind: Numerical}, []string{"9", "10", "-11"}, "10"},
		"the least number is the most negative":         {Spec{Kind: Numerical, Order: Descending}, []string{"-9.5", "-9.25", "-10", "-10.01"}, "-10.01"},
		"among negative numbers":                        {Spec{Kind: Numerical}, []string{"-9.5", "-9.25", "-9.251"}, "-9.25"},
		"decimals":                                      {Spec{Kind: Numerical}, []string{"1.5", "1.45", "1.4999999999999999999999"}, "1.5"},
		"integers beyond 2^53":                          {Spec{Kind: Numerical}, []string{"9007199254740993", "9007199254740992"}, "9007199254740993"},
		"integers beyond 2^64":                          {Spec{Kind: Numerical}, []string{"20240101000000000000000000000001", "20240101000000000000000000000002"}, "20240101000000000000000000000002"},
		"what is not a number is skipped":               {Spec{Kind: Numerical}, []string{"NaN", "Inf", "0x10", "1e9", "1_000", "", "-", ".5", "5.", "3"}, "3"},
		"equal numbers, greatest name":                  {Spec{Kind: Numerical}, []string{"1.0", "01", "1"}, "1.0"},
		"equal numbers, greatest name, descending":      {Spec{Kind: Numerical, Order: Descending}, []string{"1.0", "01", "1"}, "1.0"},
		"zero has no sign":                              {Spec{Kind: Numerical}, []string{"-0", "0"}, "0"},
		"extraction ranks, the tag is returned":         {Spec{Kind: Numerical, Pattern: `^main-[a-f0-9]+-(?P<ts>\d+)$`, Extract: "$ts"}, []string{"main-ff-9", "main-aa-10", "dev-00-99"}, "main-aa-10"},
		"extraction of a version":                       {Spec{Kind: Semver, Range: "*", Pattern: `^(.*)-alpine$`, Extract: "$1"}, []string{"1.2.0-alpine", "1.10.0-alpine", "2.0.0"}, "1.10.0-alpine"},
		"the same extracted twice, greatest name":       {Spec{Kind: Numerical, Pattern: `-(\d+)$`, Extract: "${1}"}, []string{"a-1", "c-1", "b-1"}, "c-1"},
		"a pattern is not anchored":                     {Spec{Kind: Alphabetical, Pattern: "rc"}, []string{"1-rc-1", "2"}, "1-rc-1"},
		"dates":                                         {calendar("YYYY.0M.0D"), []string{"2024.01.31", "2024.02.01", "2024.02.30", "2024.2.9", "2024.13.01"}, "2024.02.01"},
		"dates without padding":                         {calendar("YYYY.MM.DD"), []string{"2024.9.30", "2024.10.1", "2024.09.31"}, "2024.10.1"},
		"dates without separators":                      {calendar("v0Y0M0D-MICRO"), []string{"v240131-9", "v240131-10", "v240101-99", "240201-1"}, "v240131-10"},
		"year and month with a counter of any length":   {calendar("YY.0M.MICRO"), []string{"24.04.99999999999999999999", "24.04.100000000000000000000", "23.10.1"}, "24.04.100000000000000000000"},
		"a leap day":                                    {calendar("YYYY-0M-0D"), []string{"2024-02-29", "2023-02-29"}, "2024-02-29"},
		"no date is a day that the calendar has not":    {calendar("YYYY-0M-0D"), []string{"2023-02-29"}, ""},
		"text after the date is not of the layout":      {calendar("YYYY"), []string{"2024-rc1", "2023"}, "2023"},
		"weeks, and an epoch before the year":           {calendar("MAJOR.YYYY.0W"), []string{"1.2024.53", "2.2020.01", "2.2020.54"}, "2.2020.01"},
		"duplicates and the order of tags do not count": {Spec{Kind: Alphabetical}, []string{"b", "b", "a", "b"}, "b"},
	} {
		t.Run(name, func(t *testing.T) {
			p := mustNew(t, c.spec)
			backwards := slices.Clone(c.tags)
			slices.Reverse(backwards)
			for _, tags := range [][]string{c.tags, backwards} {
				got, err := p.Select(tags)
				if got.Tag != c.want || (c.want == "") != errors.Is(err, ErrNoTag) {
					t.Errorf("of %q: got %q and error %v, want %q", tags, got.Tag, err, c.want)
				}
			}
		})
	}
}

func TestInvalidSpecNamesTheField(t *testing.T) {
	for name, c := range map[string]struct {
		spec  Spec
		field string
	}{
		"zero value":                     {Spec{}, "Kind"},
		"unknown kind":                   {Spec{Kind: "latest"}, "Kind"},
		"no range":                       {Spec{Kind: Semver}, "Range"},
		"blank range":                    {Spec{Kind: Semver, Range: " "}, "Range"},
		"range 1x":                       {Spec{Kind: Semver, Range: "1x"}, "Range"},
		"range *-*":                      {Spec{Kind: Semver, Range: "*-*"}, "Range"},
		"range of another kind":          {Spec{Kind: Numerical, Range: "1.x"}, "Range"},
		"unknown order":                  {Spec{Kind: Numerical, Order: "up"}, "Order"},
		"order of versions":              {Spec{Kind: Semver, Range: "*", Order: Ascending}, "Order"},
		"pattern":                        {Spec{Kind: Alphabetical, Pattern: "("}, "Pattern"},
		"extract without pattern":        {Spec{Kind: Alphabetical, Extract: "$1"}, "Extract"},
		"extract of a missing group":     {Spec{Kind: Alphabetical, Pattern: "(?P<ts>x)", Extract: "$$$time"}, "Extract"},
		"extract of a missing number":    {Spec{Kind: Alphabetical, Pattern: "(x)", Extract: "$2"}, "Extract"},
		"extract reads the longest name": {Spec{Kind: Alphabetical, Pattern: "(x)", Extract: "$1x"}, "Extract"},
		"no layout":                      {Spec{Kind: Calendar}, "Layout"},
		"layout of another kind":         {Spec{Kind: Alphabetical, Layout: "YYYY"}, "Layout"},
		"layout without year":            {Spec{Kind: Calendar, Layout: "MAJOR.MINOR"}, "Layout"},
		"day before year":                {Spec{Kind: Calendar, Layout: "0D.0M.YYYY"}, "Layout"},
		"words without an end":           {Spec{Kind: Calendar, Layout: "YYYY.MMDD"}, "Layout"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(c.spec)
			var e *Error
			if !errors.As(err, &e) || !errors.Is(err, ErrInvalid) {
				t.Fatalf("got %v, want an *Error that wraps ErrInvalid", err)
			}
			if e.Field != c.field {
				t.Errorf("got field %q, want %q: %v", e.Field, c.field, err)
			}
		})
	}
}

func TestExplain(t *testing.T) {
	set := NewSet("1.0.0", "v1.1.0", "1.1.0", "2.0.0", "latest", "edge")
	got := set.Explain(mustNew(t, Spec{Kind: Semver, Range: "1.x"}))
	want := Explanation{
		Policy: `semver "1.x"`,
		Choice: Choice{
			Tag: "v1.1.0", Value: "v1.1.0", Tags: 6, Eligible: 3,
			Skipped: Skipped{OutOfRange: 1, NotAVersion: 2},
		},
		Over:     []string{"1.1.0", "1.0.0"},
		Ties:     []string{"1.1.0"},
		Examples: map[Reason][]string{OutOfRange: {"2.0.0"}, NotAVersion: {"edge", "latest"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	const text = `policy: semver "1.x"
chosen: v1.1.0, of 3 eligible of 6 tags
over: 1.1.0, 1.0.0
same rank: 1.1.0
skipped, not a semantic version: edge, latest
skipped, out of range: 2.0.0
`
	if diff := cmp.Diff(text, got.String()); diff != "" {
		t.Error(diff)
	}
}

func TestNoTagSaysWhatWasSkipped(t *testing.T) {
	p := mustNew(t, Spec{Kind: Numerical, Pattern: "^v(.*)", Extract: "$1"})
	_, err := p.Select([]string{"vX", "vY", "1"})
	const want = `imagepolicy: select: numerical asc, pattern "^v(.*)", extract "$1": ` +
		`no tag is eligible of 3: 2 not a number, 1 does not match the pattern`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
