// Package versions picks the highest of tags that are semantic versions.
package versions

import (
	"fmt"
	"regexp"

	"github.com/Masterminds/semver/v3"
)

// loose is semver that may have a "v" and zeros in front of numbers.
var loose = regexp.MustCompile(`^v?0*(\d+)\.0*(\d+)\.0*(\d+)((?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?)$`)

// Parse reads a tag as a version. Three numbers are wanted: 1.2 is none.
func Parse(tag string) (*semver.Version, bool) {
	m := loose.FindStringSubmatch(tag)
	if m == nil {
		return nil, false
	}
	v, err := semver.StrictNewVersion(m[1] + "." + m[2] + "." + m[3] + m[4])
	return v, err == nil
}

// Query says which versions are wanted.
type Query struct {
	// Range is a constraint such as ">=1.2.0 <2.0.0".
	Range string
	// Filter is a regular expression that a tag must match; a group named
	// "version" is the part that is the version.
	Filter string
	// PreReleases takes pre-releases although the range names none.
	PreReleases bool
	// Decode turns a tag into the text of its version; nil leaves it.
	Decode func(string) string
}

// Check returns what is wrong with the query.
func (q Query) Check() error {
	if _, err := semver.NewConstraint(q.Range); err != nil {
		return fmt.Errorf("%q is no version range: %w", q.Range, err)
	}
	if _, err := regexp.Compile(q.Filter); err != nil {
		return fmt.Errorf("filter: %w", err)
	}
	return nil
}

// Best returns the tags of the highest version in the range, which are several
// if they differ in build metadata only, and all tags that are versions.
func (q Query) Best(tags []string) (best, all []string, err error) {
	if err := q.Check(); err != nil {
		return nil, nil, err
	}
	constraint, err := semver.NewConstraint(q.Range)
	if err != nil {
		return nil, nil, err
	}
	constraint.IncludePrerelease = q.PreReleases
	filter := regexp.MustCompile(q.Filter)
	var highest *semver.Version
	for _, tag := range tags {
		v, ok := q.version(filter, tag)
		if !ok {
			continue
		}
		all = append(all, tag)
		if !constraint.Check(v) {
			continue
		}
		switch {
		case highest == nil || v.GreaterThan(highest):
			highest, best = v, []string{tag}
		case v.Equal(highest):
			best = append(best, tag)
		}
	}
	return best, all, nil
}

func (q Query) version(filter *regexp.Regexp, tag string) (*semver.Version, bool) {
	m := filter.FindStringSubmatch(tag)
	if m == nil {
		return nil, false
	}
	text := tag
	if i := filter.SubexpIndex("version"); i >= 0 {
		text = m[i]
	}
	if q.Decode != nil {
		text = q.Decode(text)
	}
	return Parse(text)
}
