package imagepolicy

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/Masterminds/semver/v3"
)

// checkVersion compares parsing and range of a version with what the library
// says.
func checkVersion(t *testing.T, versions, value string) {
	t.Helper()
	v, ok := parseVersion(value)
	want, err := semver.StrictNewVersion(value)
	if ok != (err == nil) {
		t.Fatalf("%q: got %v, the library says %v", value, ok, err)
	}
	if !ok {
		return
	}
	if v.core != (core{want.Major(), want.Minor(), want.Patch()}) || v.pre != want.Prerelease() || v.build != want.Metadata() {
		t.Fatalf("%q: got %+v", value, v)
	}
	constraint, err := semver.NewConstraint(versions)
	if err != nil {
		return
	}
	if got, want := newVersionRange(constraint).has(v), constraint.Check(want); got != want {
		t.Fatalf("%q in %q: got %v, the library says %v", value, versions, got, want)
	}
}

func TestVersionsAreThoseOfTheLibrary(t *testing.T) {
	for _, value := range []string{
		"", "1", "1.2", "1.2.3", "1.2.3.4", "01.2.3", "1.02.3", "1.2.03", "0.0.0", "1.2.3-", "1.2.3+", "1.2.3-a+", "1.2.3-a..b",
		"1.2.3-01", "1.2.3-0a", "1.2.3-rc.1+b-c.01", "1.2.3+b-c", "1.2.3-é", "1.2.-3", "v1.2.3", "1.2.3 ", "18446744073709551615.0.0",
		"18446744073709551616.0.0", "99999999999999999999.0.0", "1..2", ".1.2", "1.2.3p", "1.2.3-" + strings.Repeat("a", 250),
		"1.2.3-" + strings.Repeat("a", 251),
	} {
		checkVersion(t, "*", value)
	}
}

func TestRangesAreThoseOfTheLibrary(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	part := func() string { return []string{"0", "1", "2", "3", "10", "x", "*"}[r.IntN(7)] }
	one := func() string {
		s := []string{"", "=", "!=", ">", "<", ">=", "=>", "<=", "=<", "~", "~>", "^"}[r.IntN(12)] + []string{"", "v"}[r.IntN(2)] + part()
		for range r.IntN(3) {
			s += "." + part()
		}
		return s + []string{"", "", "", "-0", "-rc.1", "+b"}[r.IntN(6)]
	}
	rounds := 20_000
	if testing.Short() {
		rounds = 500
	}
	for range rounds {
		versions := one()
		for range r.IntN(3) {
			versions += []string{" ", ", ", " || ", " - "}[r.IntN(4)] + one()
		}
		for range 4 {
			value := fmt.Sprintf("%d.%d.%d%s", r.IntN(5), r.IntN(5), r.IntN(5), []string{"", "", "-0", "-rc.1", "-rc.2", "+x"}[r.IntN(6)])
			checkVersion(t, versions, value)
		}
	}
	checkVersion(t, ">=18446744073709551615.18446744073709551615.18446744073709551615", "18446744073709551615.18446744073709551615.18446744073709551615")
	checkVersion(t, "~18446744073709551615.1", "18446744073709551615.2.0")
}

func FuzzVersion(f *testing.F) {
	f.Add(">=1.2.x <2 || ^0.0.3", "1.2.3-rc.1+build")
	f.Add("1.2 - 2.3.4, != 2.x", "2.3.4")
	f.Add("=<v1.0.0-0", "1.0.0-alpha")
	f.Fuzz(checkVersion)
}
