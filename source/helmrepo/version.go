package helmrepo

import (
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"

	"github.com/gitopskit/gitopskit/source"
)

// ChartVersion is an entry of an index.
type ChartVersion struct {
	// Name is the chart's.
	Name string `yaml:"name" json:"name"`
	// Version is the chart's, a semantic version, with or without "v".
	Version string `yaml:"version" json:"version"`
	// AppVersion is the version of what the chart deploys.
	AppVersion string `yaml:"appVersion" json:"appVersion"`
	// URLs are where the chart is, absolute or relative to the repository.
	URLs []string `yaml:"urls" json:"urls"`
	// Digest is the hex SHA-256 of the chart's file, or empty.
	Digest string `yaml:"digest" json:"digest"`
	// Created is when the chart was added.
	Created time.Time `yaml:"created" json:"created"`
	// Deprecated marks a chart that should not be used any more.
	Deprecated bool `yaml:"deprecated" json:"deprecated"`
}

// pick returns the version that a chart reference means: the entry whose
// version is written exactly so, else the highest in the range. "*" and "" mean
// the newest that is no pre-release. Of equal versions the one created last
// counts.
func pick(chart, wanted string, all []ChartVersion) (ChartVersion, error) {
	if len(all) == 0 {
		return ChartVersion{}, fmt.Errorf("%w: no chart %q in the repository", source.ErrNotFound, chart)
	}
	for _, v := range all {
		if wanted != "" && v.Version == wanted {
			return v, nil
		}
	}
	if wanted == "" {
		wanted = "*"
	}
	constraint, err := semver.NewConstraint(wanted)
	if err != nil {
		return ChartVersion{}, invalidf("Version %q is no version and no range: %v", wanted, err)
	}
	type parsed struct {
		ChartVersion
		v *semver.Version
	}
	var fit []parsed
	for _, c := range all {
		if v, err := semver.NewVersion(c.Version); err == nil && constraint.Check(v) {
			fit = append(fit, parsed{c, v})
		}
	}
	if len(fit) == 0 {
		return ChartVersion{}, fmt.Errorf("%w: no version of chart %q is in the range %q; there is %s", source.ErrNotFound, chart, wanted, some(all))
	}
	sort.SliceStable(fit, func(i, j int) bool {
		if c := fit[i].v.Compare(fit[j].v); c != 0 {
			return c > 0
		}
		return fit[i].Created.After(fit[j].Created)
	})
	return fit[0].ChartVersion, nil
}

func some(all []ChartVersion) string {
	var out []string
	for _, v := range all[:min(len(all), 5)] {
		out = append(out, v.Version)
	}
	text := strings.Join(out, ", ")
	if len(all) > len(out) {
		text += fmt.Sprintf(" and %d more", len(all)-len(out))
	}
	return text
}

func invalidf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", source.ErrInvalid, fmt.Sprintf(format, args...))
}
