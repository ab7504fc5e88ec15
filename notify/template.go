package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/url"
	"strings"
	"text/template"
	"text/template/parse"
	"time"
)

// Template makes the message of an event from a text/template. It is hermetic: it
// sees the event and nothing else, no environment, file, network or clock, and
// what it may do is bounded. Many goroutines may use it.
//
// The dot is the [Event]; besides text/template's own functions there are meta
// KEY (a metadata value, whatever its prefix), upper, lower, trim, trunc N,
// replace OLD NEW, split SEP, join SEP, contains, hasPrefix, hasSuffix, default,
// json, date LAYOUT and shortRevision; the text comes last, for pipes.
type Template struct {
	t *template.Template
}

// maxParts is how many parts split makes.
const maxParts = 1000

// maxDepth is how deep loops may be nested in a template.
const maxDepth = 2

// CompileTemplate parses a template. It refuses, with [ErrInvalid], templates that
// define or call others and loops over numbers or nested deeper than two, since
// these can run without end.
func CompileTemplate(name, text string) (*Template, error) {
	t, err := template.New(name).Option("missingkey=zero").Funcs(functions(Event{})).Parse(text)
	if err == nil && len(t.Templates()) > 1 {
		err = errors.New("define and block are not allowed")
	}
	if err == nil && t.Tree != nil {
		err = checkNodes(t.Root, 0)
	}
	if err != nil {
		return nil, &Error{Op: "compile template", Ref: name, Err: errors.Join(ErrInvalid, err)}
	}
	return &Template{t: t}, nil
}

func checkNodes(n parse.Node, depth int) error {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, c := range n.Nodes {
			if err := checkNodes(c, depth); err != nil {
				return err
			}
		}
	case *parse.TemplateNode:
		return fmt.Errorf("line %d: template is not allowed", n.Line)
	case *parse.IfNode:
		return errors.Join(checkNodes(n.List, depth), checkNodes(n.ElseList, depth))
	case *parse.WithNode:
		return errors.Join(checkNodes(n.List, depth), checkNodes(n.ElseList, depth))
	case *parse.RangeNode:
		if depth++; depth > maxDepth {
			return fmt.Errorf("line %d: loops are nested deeper than %d", n.Line, maxDepth)
		}
		if !rangesOverField(n.Pipe) {
			return fmt.Errorf("line %d: range goes over .Metadata, .Labels or split", n.Line)
		}
		return errors.Join(checkNodes(n.List, depth), checkNodes(n.ElseList, depth))
	}
	return nil
}

// rangesOverField tells whether a loop goes over a field or what split made, and
// so not over a number.
func rangesOverField(p *parse.PipeNode) bool {
	last := p.Cmds[len(p.Cmds)-1]
	var path []string
	switch first := last.Args[0].(type) {
	case *parse.FieldNode:
		path = first.Ident
	case *parse.VariableNode:
		path = first.Ident[1:]
	case *parse.IdentifierNode:
		return first.Ident == "split"
	}
	return len(last.Args) == 1 && len(path) == 1 && (path[0] == "Metadata" || path[0] == "Labels")
}

// Render returns the text for an event, at most [MaxMessage] bytes; more is an
// error that wraps [ErrTooLarge].
func (t *Template) Render(e Event) (string, error) {
	c, err := t.t.Clone()
	if err != nil {
		return "", &Error{Op: "render template", Ref: t.t.Name(), Err: err}
	}
	var out limitedText
	if err := c.Funcs(functions(e)).Execute(&out, e); err != nil {
		return "", &Error{Op: "render template", Ref: t.t.Name(), Err: err}
	}
	return out.b.String(), nil
}

type limitedText struct{ b strings.Builder }

func (l *limitedText) Write(p []byte) (int, error) {
	if l.b.Len()+len(p) > MaxMessage {
		return 0, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, MaxMessage)
	}
	return l.b.Write(p)
}

func functions(e Event) template.FuncMap {
	return template.FuncMap{
		"meta":  e.Meta,
		"upper": strings.ToUpper, "lower": strings.ToLower, "trim": strings.TrimSpace,
		"trunc":     func(n int, s string) string { return cut(s, max(n, 0)) },
		"replace":   func(from, to, s string) (string, error) { return bounded(strings.ReplaceAll(s, from, to)) },
		"split":     func(sep, s string) []string { return strings.SplitN(s, sep, maxParts) },
		"join":      func(sep string, list []string) (string, error) { return bounded(strings.Join(list, sep)) },
		"contains":  func(part, s string) bool { return strings.Contains(s, part) },
		"hasPrefix": func(part, s string) bool { return strings.HasPrefix(s, part) },
		"hasSuffix": func(part, s string) bool { return strings.HasSuffix(s, part) },
		"default": func(d, s string) string {
			if s == "" {
				return d
			}
			return s
		},
		"json": func(v any) (string, error) {
			b, err := json.Marshal(v)
			return string(b), err
		},
		"date":          func(layout string, t time.Time) string { return t.UTC().Format(layout) },
		"shortRevision": ShortRevision,
		// text/template's own would make much of little.
		"printf": func(format string, args ...any) (string, error) {
			if strings.ContainsAny(format, "*0123456789") {
				return "", fmt.Errorf("%w: printf takes no widths", ErrInvalid)
			}
			return bounded(fmt.Sprintf(format, args...))
		},
		"print":    func(args ...any) (string, error) { return bounded(fmt.Sprint(args...)) },
		"println":  func(args ...any) (string, error) { return bounded(fmt.Sprintln(args...)) },
		"html":     func(s string) (string, error) { return bounded(html.EscapeString(s)) },
		"js":       func(s string) (string, error) { return bounded(template.JSEscapeString(s)) },
		"urlquery": func(s string) (string, error) { return bounded(url.QueryEscape(s)) },
	}
}

func bounded(s string) (string, error) {
	if len(s) > MaxMessage {
		return "", fmt.Errorf("%w: more than %d bytes", ErrTooLarge, MaxMessage)
	}
	return s, nil
}

// ShortRevision cuts the hash of a revision: main@sha1:0123456789… becomes
// main@sha1:01234567.
func ShortRevision(rev string) string {
	i := strings.LastIndex(rev, ":")
	if i < 0 || len(rev)-i-1 <= 8 {
		return rev
	}
	for _, c := range rev[i+1:] {
		if !strings.ContainsRune("0123456789abcdef", c) {
			return rev
		}
	}
	return rev[:i+9]
}
