package notify_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitopskit/gitopskit/notify"
)

func TestRulesMatch(t *testing.T) {
	all := []notify.Source{{Kind: "Kustomization", Name: "*"}}
	labelled := event("x", "applied 3 objects")
	labelled.Labels = map[string]string{"team": "a", "env": "prod"}
	trace := event("x", "applied")
	trace.Severity = notify.SeverityTrace
	cases := map[string]struct {
		rule  notify.Rule
		event notify.Event
		want  bool
		bad   bool
	}{
		"all of a kind":                             {notify.Rule{Namespace: "apps", Sources: all}, event("x", "m"), true, false},
		"not another namespace":                     {notify.Rule{Namespace: "other", Sources: all}, event("x", "m"), false, false},
		"another namespace by name":                 {notify.Rule{Namespace: "other", Sources: []notify.Source{{Kind: "Kustomization", Namespace: "apps"}}}, event("x", "m"), true, false},
		"every namespace by a star":                 {notify.Rule{Namespace: "other", Sources: []notify.Source{{Namespace: "*"}}}, event("x", "m"), true, false},
		"not another kind":                          {notify.Rule{Sources: []notify.Source{{Kind: "HelmRelease"}}}, event("x", "m"), false, false},
		"not another group":                         {notify.Rule{Sources: []notify.Source{{Group: "example.com"}}}, event("x", "m"), false, false},
		"not another name":                          {notify.Rule{Sources: []notify.Source{{Name: "y"}}}, event("x", "m"), false, false},
		"all labels":                                {notify.Rule{Sources: []notify.Source{{MatchLabels: map[string]string{"team": "a", "env": "prod"}}}}, labelled, true, false},
		"not one wrong label":                       {notify.Rule{Sources: []notify.Source{{MatchLabels: map[string]string{"team": "a", "env": "dev"}}}}, labelled, false, false},
		"nothing while suspended":                   {notify.Rule{Suspend: true, Sources: all}, event("x", "m"), false, false},
		"errors under info":                         {notify.Rule{Sources: all}, failed("x", "m"), true, false},
		"no info under error":                       {notify.Rule{Severity: notify.SeverityError, Sources: all}, event("x", "m"), false, false},
		"no trace under info":                       {notify.Rule{Sources: all}, trace, false, false},
		"a trace under trace":                       {notify.Rule{Severity: notify.SeverityTrace, Sources: all}, trace, true, false},
		"what is included":                          {notify.Rule{Sources: all, Inclusion: []string{"no", "^applied"}}, labelled, true, false},
		"not what no inclusion names":               {notify.Rule{Sources: all, Inclusion: []string{"^pruned"}}, labelled, false, false},
		"not what is excluded":                      {notify.Rule{Sources: all, Exclusion: []string{`\d objects`}}, labelled, false, false},
		"exclusion over inclusion":                  {notify.Rule{Sources: all, Inclusion: []string{"applied"}, Exclusion: []string{"3"}}, labelled, false, false},
		"nothing by a bad inclusion alone":          {notify.Rule{Sources: all, Inclusion: []string{"("}}, labelled, false, true},
		"the good inclusion beside a bad one":       {notify.Rule{Sources: all, Inclusion: []string{"(", "applied"}}, labelled, true, true},
		"in spite of a bad exclusion":               {notify.Rule{Sources: all, Exclusion: []string{"("}}, labelled, true, true},
		"nothing by a severity that does not exist": {notify.Rule{Severity: "loud", Sources: all}, failed("x", "m"), false, true},
		"nothing without sources":                   {notify.Rule{}, event("x", "m"), false, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m, err := notify.Compile(c.rule)
			if (err != nil) != c.bad || err != nil && !errors.Is(err, notify.ErrInvalid) {
				t.Errorf("compile: %v", err)
			}
			if _, got := m.Match(c.event); got != c.want {
				t.Errorf("matches: %v", got)
			}
		})
	}
}

func TestMetadataPrecedence(t *testing.T) {
	e := event("x", "m")
	e.Metadata = map[string]string{
		"event.toolkit.fluxcd.io/a": "annotation", "event.toolkit.fluxcd.io/b": "annotation",
		"event.toolkit.fluxcd.io/summary": "annotation", "event.toolkit.fluxcd.io/d": "annotation",
		"kustomize.toolkit.fluxcd.io/revision": "main@sha1:abc", "kustomize.toolkit.fluxcd.io/d": "controller",
		"example.com/foreign": "stays behind",
	}
	m, err := notify.Compile(notify.Rule{
		Sources:  []notify.Source{{Kind: "Kustomization"}},
		Metadata: map[string]string{"b": "rule", "c": "rule", "summary": "rule", "d": "rule"}, Summary: "the summary",
	})
	if err != nil {
		t.Fatal(err)
	}
	got, ok := m.Match(e)
	want := map[string]string{"a": "annotation", "b": "rule", "c": "rule", "summary": "the summary", "d": "controller", "revision": "main@sha1:abc"}
	if diff := cmp.Diff(want, got.Metadata); diff != "" || !ok {
		t.Error(ok, diff)
	}
	if len(e.Metadata) != 7 {
		t.Error("the input was changed")
	}
}

func TestTemplates(t *testing.T) {
	e := failed("x", "boom: the wheel came off")
	e.Metadata = map[string]string{"kustomize.toolkit.fluxcd.io/revision": "main@sha1:0123456789abcdef0123456789abcdef01234567"}
	cases := map[string]struct{ text, want, bad string }{
		"fields and functions": {`{{.Severity | printf "%s" | upper}} {{.InvolvedObject.Kind}}/{{.InvolvedObject.Name}} {{meta "revision" | shortRevision}}: {{trunc 7 .Message}}`, "ERROR Kustomization/x main@sha1:01234567: boom…", ""},
		"defaults":             {`{{meta "nothing" | default "none"}} {{date "2006-01-02" .Timestamp}}`, "none 2026-05-04", ""},
		"loops":                {`{{range $k, $v := .Metadata}}{{$k}};{{end}}{{range split " " .Message}}{{.}},{{end}}`, "kustomize.toolkit.fluxcd.io/revision;boom:,the,wheel,came,off,", ""},
		"no environment":       {`{{env "HOME"}}`, "", "not defined"},
		"no definitions":       {`{{define "a"}}{{template "a"}}{{end}}{{template "a"}}`, "", "not allowed"},
		"no loop over numbers": {`{{range 1000000000}}{{end}}`, "", "range goes over"},
		"no computed loop":     {`{{range .Timestamp.Unix}}{{end}}`, "", "range goes over"},
		"no deep loops":        {`{{range .Metadata}}{{range $.Metadata}}{{if true}}{{range $.Metadata}}{{end}}{{end}}{{end}}{{end}}`, "", "nested deeper"},
		"no unknown field":     {`{{.Nothing}}`, "", "Nothing"},
		"no wide padding":      {`{{printf "%999999999s" "a"}}`, "", "no widths"},
		"no endless growth":    {`{{$x := .Message}}{{range split "" .Message}}{{$x = print $x $x}}{{end}}`, "", "too large"},
		"no syntax error":      {`{{`, "", "unclosed"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			tmpl, err := notify.CompileTemplate("t", c.text)
			var got string
			if err == nil {
				got, err = tmpl.Render(e)
			}
			if c.bad != "" && (err == nil || !strings.Contains(err.Error(), c.bad)) || c.bad == "" && err != nil {
				t.Fatalf("got %q, %v", got, err)
			}
			if err == nil && got != c.want {
				t.Errorf("got %q", got)
			}
		})
	}
}
