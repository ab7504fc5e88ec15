package notify

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"
)

// Rule says which events a destination gets and what is added to them. It is
// compiled once by [Compile].
type Rule struct {
	// Name is used in errors.
	Name string
	// Namespace is that of sources which name none.
	Namespace string
	// Suspend stops the rule: it matches nothing.
	Suspend bool
	// Severity is the least one that matches; info where empty.
	Severity Severity
	// Sources are the objects; at least one must match.
	Sources []Source
	// Inclusion are regular expressions (RE2) of which one must match the
	// message; none means all messages.
	Inclusion []string
	// Exclusion are regular expressions of which none may match the message.
	Exclusion []string
	// Metadata is added to the events.
	Metadata map[string]string
	// Summary is added to the events as metadata "summary".
	Summary string
	// Recovery lets through the first event that says an object is well
	// again after an error that this rule let through, also where Severity
	// asks for errors alone.
	Recovery bool
}

// Source names objects.
type Source struct {
	// Group is the API group; empty matches all.
	Group string
	// Kind is exact; "*" or empty matches all.
	Kind string
	// Namespace is exact; empty is that of the rule; "*" matches all. Where
	// the rule has none either, it matches all.
	Namespace string
	// Name is exact; "*" or empty matches all.
	Name string
	// MatchLabels must all be on the object (Event.Labels).
	MatchLabels map[string]string
}

// Matcher is a compiled Rule. Many goroutines may use it at once.
type Matcher struct {
	rule               Rule
	include, exclude   []*regexp.Regexp
	includesNothing    bool
	staticMeta         map[string]string
	matchesAllMessages bool
}

// Compile checks and compiles a rule. With an error that wraps [ErrInvalid] comes
// a Matcher that works without the bad expressions: where every inclusion is bad
// it matches nothing; a bad exclusion excludes nothing.
func Compile(r Rule) (*Matcher, error) {
	m := &Matcher{rule: r}
	m.rule.Sources = make([]Source, 0, len(r.Sources))
	var errs []error
	if r.Severity == "" {
		m.rule.Severity = SeverityInfo
	} else if r.Severity.rank() == 0 {
		errs = append(errs, fmt.Errorf("%w: severity %q is none of trace, info, error", ErrInvalid, r.Severity))
		m.rule.Suspend = true
	}
	for _, s := range r.Sources {
		if s.Namespace == "" {
			s.Namespace = r.Namespace
		}
		s.MatchLabels = maps.Clone(s.MatchLabels)
		m.rule.Sources = append(m.rule.Sources, s)
	}
	if len(r.Sources) == 0 {
		errs = append(errs, fmt.Errorf("%w: a rule without Sources matches nothing", ErrInvalid))
	}
	var err error
	m.include, err = expressions("inclusion", r.Inclusion)
	errs = append(errs, err)
	m.includesNothing = len(r.Inclusion) > 0 && len(m.include) == 0
	m.exclude, err = expressions("exclusion", r.Exclusion)
	errs = append(errs, err)
	m.matchesAllMessages = len(m.include) == 0 && len(m.exclude) == 0
	m.staticMeta = maps.Clone(r.Metadata)
	if r.Summary != "" {
		if m.staticMeta == nil {
			m.staticMeta = map[string]string{}
		}
		m.staticMeta[MetaSummary] = r.Summary
	}
	if err := errors.Join(errs...); err != nil {
		return m, &Error{Op: "compile rule", Ref: r.Name, Err: err}
	}
	return m, nil
}

func expressions(what string, patterns []string) ([]*regexp.Regexp, error) {
	var out []*regexp.Regexp
	var errs []error
	for i, p := range patterns {
		re, err := regexp.Compile(p)
		if err != nil {
			errs = append(errs, fmt.Errorf("%w: %s %d: %w", ErrInvalid, what, i, err))
			continue
		}
		out = append(out, re)
	}
	return out, errors.Join(errs...)
}

// Match tells whether the rule lets an event through, and returns it with the
// metadata that a destination gets: first annotations of the object, then the
// rule's, then its summary, then the controller's, each over the one before,
// without prefixes. Keys with a foreign prefix stay behind.
func (m *Matcher) Match(e Event) (Event, bool) {
	if e.Severity == "" {
		e.Severity = SeverityInfo
	}
	if e.Severity.rank() < m.rule.Severity.rank() || !m.matchSource(e) || !m.matchMessage(e) {
		return Event{}, false
	}
	e.Metadata = m.metadata(e)
	return e, true
}

// matchSource tells whether the rule is about the event's object at all.
func (m *Matcher) matchSource(e Event) bool {
	if m.rule.Suspend {
		return false
	}
	for i := range m.rule.Sources {
		if m.rule.Sources[i].matches(e) {
			return true
		}
	}
	return false
}

func (s *Source) matches(e Event) bool {
	o := e.InvolvedObject
	if !wild(s.Kind, o.Kind) || !wild(s.Name, o.Name) || !wild(s.Namespace, o.Namespace) {
		return false
	}
	if s.Group != "" && s.Group != o.Group() {
		return false
	}
	for k, v := range s.MatchLabels {
		if got, ok := e.Labels[k]; !ok || got != v {
			return false
		}
	}
	return true
}

func wild(pattern, s string) bool { return pattern == "" || pattern == "*" || pattern == s }

func (m *Matcher) matchMessage(e Event) bool {
	if m.includesNothing {
		return false
	}
	if m.matchesAllMessages {
		return true
	}
	if len(m.include) > 0 && !anyMatch(m.include, e.Message) {
		return false
	}
	return !anyMatch(m.exclude, e.Message)
}

func anyMatch(res []*regexp.Regexp, s string) bool {
	for _, re := range res {
		if re.MatchString(s) {
			return true
		}
	}
	return false
}

func (m *Matcher) metadata(e Event) map[string]string {
	if len(e.Metadata) == 0 && len(m.staticMeta) == 0 {
		return nil
	}
	out := make(map[string]string, len(e.Metadata)+len(m.staticMeta))
	for k, v := range e.Metadata {
		if name, ok := strings.CutPrefix(k, EventGroup+"/"); ok {
			out[name] = v
		}
	}
	maps.Copy(out, m.staticMeta)
	group := e.InvolvedObject.Group() + "/"
	for k, v := range e.Metadata {
		if !strings.Contains(k, "/") {
			out[k] = v
		}
	}
	for k, v := range e.Metadata {
		if name, ok := strings.CutPrefix(k, group); ok && name != "" {
			out[name] = v
		}
	}
	return out
}

// verdicts are what the rules said of one event, so that a rule which several
// destinations share is asked once.
type verdicts []verdict

type verdict struct {
	rule *Matcher
	sent Event
	ok   bool
}

func (v *verdicts) match(m *Matcher, e Event) (Event, bool) {
	for i := range *v {
		if seen := &(*v)[i]; seen.rule == m {
			return seen.sent, seen.ok
		}
	}
	sent, ok := m.Match(e)
	*v = append(*v, verdict{m, sent, ok})
	return sent, ok
}
