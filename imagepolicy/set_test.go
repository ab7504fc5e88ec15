package imagepolicy

import (
	"bytes"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/Masterminds/semver/v3"
	"github.com/google/go-cmp/cmp"
)

// specs are policies of every kind over the tags that randomTag makes.
func specs() []Spec {
	return []Spec{
		{Kind: Semver, Range: ">=1.0.0-0 <4"},
		{Kind: Semver, Range: "2.x", Pattern: `^v?(.*)$`, Extract: "$1"},
		{Kind: Alphabetical},
		{Kind: Alphabetical, Order: Descending, Pattern: "rc"},
		{Kind: Numerical},
		{Kind: Numerical, Order: Descending},
		{Kind: Calendar, Layout: "YYYY.MM"},
	}
}

func randomTag(r *rand.Rand) string {
	switch r.IntN(5) {
	case 0:
		return fmt.Sprintf("v%d.%d.%d", r.IntN(4), r.IntN(3), r.IntN(3))
	case 1:
		return fmt.Sprintf("%d.%d.%d-rc.%d", r.IntN(4), r.IntN(3), r.IntN(3), r.IntN(12))
	case 2:
		return fmt.Sprintf("%d.%d", 2020+r.IntN(4), r.IntN(14))
	case 3:
		return fmt.Sprintf("%d.%d", r.IntN(20)-10, r.IntN(50))
	default:
		return fmt.Sprintf("%d.%d.%d", r.IntN(4), r.IntN(3), r.IntN(3))
	}
}

func TestUpdatedSetChoosesAsAFreshOneDoes(t *testing.T) {
	seeds := uint64(20)
	if testing.Short() {
		seeds = 2
	}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 1))
		var policies []*Policy
		for _, s := range specs() {
			policies = append(policies, mustNew(t, s))
		}
		var set Set
		tags := map[string]bool{}
		for range 150 {
			change(r, &set, tags)
			var names []string
			for name := range tags {
				names = append(names, name)
			}
			for _, p := range policies {
				got, gotErr := set.Select(p)
				want, wantErr := p.Select(names)
				if diff := cmp.Diff(want, got); diff != "" || (gotErr == nil) != (wantErr == nil) {
					t.Fatalf("seed %d, %s: errors %v and %v\n%s", seed, p, wantErr, gotErr, diff)
				}
				if diff := cmp.Diff(got, set.Explain(p).Choice); diff != "" {
					t.Fatalf("seed %d, %s: the explanation tells of another choice\n%s", seed, p, diff)
				}
			}
		}
	}
}

// change makes the same change to a set and to its model.
func change(r *rand.Rand, set *Set, tags map[string]bool) {
	name := randomTag(r)
	switch r.IntN(8) {
	case 0, 1, 2:
		set.Remove(name)
		delete(tags, name)
	case 3:
		clear(tags)
		var all []string
		for range r.IntN(20) {
			all = append(all, randomTag(r))
			tags[all[len(all)-1]] = true
		}
		set.Replace(all)
	default:
		set.Add(name)
		tags[name] = true
	}
}

func TestCountsOfChanges(t *testing.T) {
	set := NewSet("a", "b", "b")
	if got := set.Add("b", "c"); got != 1 {
		t.Errorf("Add: got %d new, want 1", got)
	}
	if got := set.Remove("b", "x"); got != 1 {
		t.Errorf("Remove: got %d, want 1", got)
	}
	if added, removed := set.Replace([]string{"c", "d", "e", "d"}); added != 2 || removed != 1 || set.Len() != 3 {
		t.Errorf("Replace: got %d added, %d removed, %d in all, want 2, 1, 3", added, removed, set.Len())
	}
}

func TestKeptChoiceEvaluatesOnlyTheDifference(t *testing.T) {
	evaluated := 0
	p := mustNew(t, Spec{Kind: Numerical})
	p.rank = func(key []byte, value string) ([]byte, Reason) { evaluated++; return append(key, value...), "" }
	set := NewSet()
	for i := range 1000 {
		set.Add(fmt.Sprintf("%04d", i))
	}
	if _, err := set.Select(p); err != nil || evaluated != 1000 {
		t.Fatalf("first choice: error %v after %d evaluations, want 1000", err, evaluated)
	}
	evaluated = 0
	set.Add("1000")
	set.Remove("1000", "0999")
	got, err := set.Select(p)
	if err != nil || got.Tag != "0998" || evaluated != 3 {
		t.Errorf("got %q, error %v after %d evaluations, want 0998 after 3", got.Tag, err, evaluated)
	}
	set.Forget(p)
	set.Add("2000")
	if evaluated != 3 {
		t.Errorf("a forgotten policy was evaluated")
	}
}

func TestRankIsThatOfTheReference(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	versions := mustNew(t, Spec{Kind: Semver, Range: ">=0.0.0-0"})
	rounds := 5000
	if testing.Short() {
		rounds = 500
	}
	for range rounds {
		a, b := randomTag(r), randomTag(r)
		ka, ra := versions.evaluate(a, nil)
		kb, rb := versions.evaluate(b, nil)
		if ra == "" && rb == "" {
			if got, want := strings.Compare(ka, kb), semver.MustParse(a).Compare(semver.MustParse(b)); got != want {
				t.Fatalf("%s and %s: got %d, want %d", a, b, got, want)
			}
		}
		checkNumbers(t, a, b)
	}
}

// checkNumbers compares two values as numbers with what math/big says.
func checkNumbers(t *testing.T, a, b string) {
	t.Helper()
	ka, ra := numericalRank(nil, a)
	kb, rb := numericalRank(nil, b)
	if ra != "" || rb != "" {
		return
	}
	x, okX := new(big.Rat).SetString(a)
	y, okY := new(big.Rat).SetString(b)
	if !okX || !okY {
		t.Fatalf("math/big does not take %q or %q for a number", a, b)
	}
	if got, want := bytes.Compare(ka, kb), x.Cmp(y); got != want {
		t.Fatalf("%q and %q: got %d, want %d", a, b, got, want)
	}
}

func TestConcurrentUse(t *testing.T) {
	set := NewSet()
	var wg sync.WaitGroup
	for i, s := range specs() {
		p := mustNew(t, s)
		wg.Go(func() {
			for n := range 50 {
				set.Add(fmt.Sprintf("1.%d.%d", i, n))
				_, _ = set.Select(p) //nolint:errcheck // some policies have no tag yet
				set.Remove(fmt.Sprintf("1.%d.%d", i, n/2))
				_ = set.Explain(p)
			}
		})
	}
	wg.Wait()
	if got := set.Len(); got == 0 {
		t.Error("nothing is left")
	}
}

func FuzzPolicy(f *testing.F) {
	f.Add(">=1.0.0", "YYYY.0M", `^v(?P<x>.*)$`, "$x", "v1.0.0", "1.0")
	f.Add("*", "0Y0M0D-MICRO", "", "", "-1.50", "-1.5")
	f.Add("~1.2 || ^3", "vYY.MM", "(a|b)+", "${1}$$", "ab", "99999999999999999999999")
	f.Fuzz(func(t *testing.T, versions, layout, pattern, extract, a, b string) {
		checkNumbers(t, a, b)
		for _, s := range []Spec{
			{Kind: Semver, Range: versions, Pattern: pattern, Extract: extract},
			{Kind: Calendar, Layout: layout, Pattern: pattern, Extract: extract},
			{Kind: Numerical, Pattern: pattern, Extract: extract},
		} {
			p, err := New(s)
			if err != nil {
				continue
			}
			one, _ := p.Select([]string{a, b})     //nolint:errcheck // no tag is a result as well
			another, _ := p.Select([]string{b, a}) //nolint:errcheck // as above
			if diff := cmp.Diff(one, another); diff != "" {
				t.Errorf("%s: the order of tags counts: %s", p, diff)
			}
			if one.Tag != "" && !slices.Contains([]string{a, b}, one.Tag) {
				t.Errorf("%s: chose %q, which was not there", p, one.Tag)
			}
		}
	})
}

func BenchmarkCold(b *testing.B) {
	tags := manyTags(100_000)
	p := mustNew(b, Spec{Kind: Semver, Range: ">=1.0.0"})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := NewSet(tags...).Select(p); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPeer parses all tags for each choice.
func BenchmarkPeer(b *testing.B) {
	tags := manyTags(100_000)
	constraint, err := semver.NewConstraint(">=1.0.0")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		var best *semver.Version
		for _, tag := range tags {
			if _, err := semver.StrictNewVersion(strings.TrimPrefix(tag, "v")); err != nil {
				continue
			}
			v, err := semver.NewVersion(tag)
			if err == nil && constraint.Check(v) && (best == nil || v.GreaterThan(best)) {
				best = v
			}
		}
	}
}

func BenchmarkOneMore(b *testing.B) {
	p := mustNew(b, Spec{Kind: Semver, Range: ">=1.0.0"})
	set := NewSet(manyTags(100_000)...)
	if _, err := set.Select(p); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		set.Add(fmt.Sprintf("200.0.%d", n))
		if _, err := set.Select(p); err != nil {
			b.Fatal(err)
		}
	}
}

func manyTags(n int) []string {
	tags := make([]string, n)
	for i := range tags {
		tags[i] = fmt.Sprintf("v%d.%d.%d", 1+i/10_000, i/100%100, i%100)
	}
	slices.Sort(tags) // as a registry lists them
	return tags
}
