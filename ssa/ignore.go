package ssa

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/gitopskit/gitopskit/inventory"
)

// An IgnoreRule names fields that others look after once an object is there,
// as a HorizontalPodAutoscaler does after spec.replicas. An object is created
// with the set's value; from then on the live value is left as it is, whatever
// the set says. Who owned the field goes on owning it: a field that is ours
// alone keeps its live value under our name, so that it is not taken away, and
// one that is another manager's is no longer sent.
type IgnoreRule struct {
	// Paths are JSON pointers (RFC 6901), such as /spec/replicas. A segment "*"
	// stands for each item of a list, or key of a map. What an object does not
	// have, or is no pointer, is of no effect.
	Paths []string

	// Target says which objects the rule is about. Default: all.
	Target Selector
}

// A Selector matches objects. What is "" matches all of them; group, version,
// kind, namespace and name are regular expressions that have to match the
// whole, as in the targets of kustomize's patches.
type Selector struct {
	Group, Version, Kind, Namespace, Name string

	// Labels and Annotations are label selectors, such as "app=web,!canary".
	Labels, Annotations string
}

// ignoreRule is an IgnoreRule that was read.
type ignoreRule struct {
	paths  [][]string
	names  []*regexp.Regexp // group, version, kind, namespace, name; nil matches all
	labels labels.Selector
	notes  labels.Selector
}

func readIgnoreRules(rules []IgnoreRule) ([]ignoreRule, error) {
	out := make([]ignoreRule, 0, len(rules))
	for i, rule := range rules {
		r, err := rule.read()
		if err != nil {
			return nil, fmt.Errorf("ssa: ApplyOptions.Ignore[%d].Target: %w", i, err)
		}
		out = append(out, r)
	}
	return out, nil
}

func (rule IgnoreRule) read() (out ignoreRule, err error) {
	t := rule.Target
	for _, expr := range []string{t.Group, t.Version, t.Kind, t.Namespace, t.Name} {
		var re *regexp.Regexp
		if expr != "" {
			if re, err = regexp.Compile("^(?:" + expr + ")$"); err != nil {
				return out, err
			}
		}
		out.names = append(out.names, re)
	}
	if out.labels, err = labels.Parse(t.Labels); err != nil {
		return out, err
	}
	if out.notes, err = labels.Parse(t.Annotations); err != nil {
		return out, err
	}
	for _, p := range rule.Paths {
		if segments, ok := parsePointer(p); ok {
			out.paths = append(out.paths, segments)
		}
	}
	return out, nil
}

// parsePointer splits a JSON pointer. The whole document, and an object's
// identity, can't be ignored.
func parsePointer(p string) ([]string, bool) {
	if !strings.HasPrefix(p, "/") || p == "/" {
		return nil, false
	}
	segments := strings.Split(p[1:], "/")
	for i, s := range segments {
		segments[i] = strings.ReplaceAll(strings.ReplaceAll(s, "~1", "/"), "~0", "~")
	}
	identity := [][]string{{"apiVersion"}, {"kind"}, {"metadata"}, {"metadata", "name"}, {"metadata", "namespace"}}
	same := func(id []string) bool { return slices.Equal(id, segments) }
	return segments, !slices.ContainsFunc(identity, same)
}

func (r *ignoreRule) matches(ref inventory.Ref, version string, desired map[string]any) bool {
	for i, s := range []string{ref.Group, version, ref.Kind, ref.Namespace, ref.Name} {
		if r.names[i] != nil && !r.names[i].MatchString(s) {
			return false
		}
	}
	return (r.labels.Empty() || r.labels.Matches(stringSet(at(desired, "metadata", "labels")))) &&
		(r.notes.Empty() || r.notes.Matches(stringSet(at(desired, "metadata", "annotations"))))
}

func stringSet(v any) labels.Set {
	m, _ := v.(map[string]any)
	out := make(labels.Set, len(m))
	for k, v := range m {
		out[k], _ = v.(string)
	}
	return out
}

// ignoredPaths returns the fields of a desired object that the rules name.
func ignoredPaths(rules []ignoreRule, o *object) []fieldPath {
	var out []fieldPath
	for i := range rules {
		if !rules[i].matches(o.ref, o.version, o.desired) {
			continue
		}
		for _, segments := range rules[i].paths {
			out = append(out, expand(o.desired, segments, nil)...)
		}
	}
	return out
}

// expand finds what a pointer names in v.
func expand(v any, segments []string, head fieldPath) []fieldPath {
	if len(segments) == 0 {
		return []fieldPath{slices.Clone(head)}
	}
	var out []fieldPath
	first, rest := segments[0], segments[1:]
	switch v := v.(type) {
	case map[string]any:
		for k, child := range v {
			if k == first || first == "*" {
				out = append(out, expand(child, rest, append(head, step{key: k}))...)
			}
		}
	case []any:
		for i, child := range v {
			if strconv.Itoa(i) == first || first == "*" {
				out = append(out, expand(child, rest, append(head, step{item: child, index: i, inList: true}))...)
			}
		}
	}
	slices.SortFunc(out, func(a, b fieldPath) int { return strings.Compare(a.String(), b.String()) })
	return out
}
