package imagepolicy

import (
	"regexp"
	"slices"
	"strconv"
)

// filter admits tags and takes out of them what is ranked.
type filter struct {
	pattern *regexp.Regexp // nil admits all
	extract string
}

// reference is how regexp.Expand reads a template: $$, ${name} or the longest
// $name.
var reference = regexp.MustCompile(`\$(?:\$|\{(\w+)\}|(\w+))`)

func newFilter(pattern, extract string) (filter, error) {
	if pattern == "" {
		if extract != "" {
			return filter{}, invalid("Extract", extract, "it needs a Pattern whose groups it names")
		}
		return filter{}, nil
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return filter{}, invalid("Pattern", pattern, "%w", err)
	}
	for _, m := range reference.FindAllStringSubmatch(extract, -1) {
		name := m[1] + m[2]
		if name != "" && !hasGroup(re, name) {
			return filter{}, invalid("Extract", extract, "the pattern %q has no group %q", pattern, name)
		}
	}
	return filter{pattern: re, extract: extract}, nil
}

func hasGroup(re *regexp.Regexp, name string) bool {
	if n, err := strconv.Atoi(name); err == nil {
		return n <= re.NumSubexp()
	}
	return slices.Contains(re.SubexpNames(), name)
}

func (f filter) apply(tag string) (string, bool) {
	if f.pattern == nil {
		return tag, true
	}
	if f.extract == "" {
		return tag, f.pattern.MatchString(tag)
	}
	m := f.pattern.FindStringSubmatchIndex(tag)
	if m == nil {
		return "", false
	}
	return string(f.pattern.ExpandString(nil, f.extract, tag, m)), true
}
