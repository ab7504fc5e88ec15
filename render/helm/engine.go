package helm

import (
	"context"
	"errors"
	"fmt"
	"path"
	"sort"
	"strings"
	"sync"
	"text/template"
	"text/template/parse"

	"helm.sh/helm/v3/pkg/chart"
)

// templateSet is the parsed templates of a chart with some of its subcharts.
type templateSet struct {
	names []string // in the order of rendering, without partials
	base  *template.Template
	pool  sync.Pool // of *instance
}

// parsedSets keeps template sets by the subcharts they hold.
type parsedSets struct {
	mu   sync.Mutex
	sets map[string]*templateSet
}

const maxSets = 16

// source is one template file.
type source struct {
	name, base string
	data       []byte
	owner      *chart.Chart
}

// sources lists the templates of a chart and its subcharts, the outer ones last,
// which is the order in which Helm parses: later definitions win.
func sources(c *chart.Chart) []source {
	var out []source
	var walk func(c *chart.Chart)
	walk = func(c *chart.Chart) {
		for _, sub := range c.Dependencies() {
			walk(sub)
		}
		at := c.ChartFullPath()
		library := strings.EqualFold(c.Metadata.Type, "library")
		for _, t := range c.Templates {
			if t == nil || library && !strings.HasPrefix(path.Base(t.Name), "_") {
				continue
			}
			out = append(out, source{path.Join(at, t.Name), path.Join(at, "templates"), t.Data, c})
		}
	}
	walk(c)
	sort.SliceStable(out, func(i, j int) bool {
		a, b := strings.Count(out[i].name, "/"), strings.Count(out[j].name, "/")
		if a != b {
			return a > b
		}
		return out[i].name > out[j].name
	})
	return out
}

// get returns the parsed templates for the chart with the subcharts that are
// left, parsing them the first time.
func (p *parsedSets) get(ref string, all []source) (*templateSet, error) {
	var id strings.Builder
	var last *chart.Chart
	for _, s := range all {
		if s.owner != last {
			id.WriteString(s.base + "\n")
			last = s.owner
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if set, ok := p.sets[id.String()]; ok {
		return set, nil
	}
	set, err := parseSet(ref, all)
	if err != nil {
		return nil, err
	}
	if p.sets == nil || len(p.sets) >= maxSets {
		p.sets = map[string]*templateSet{}
	}
	p.sets[id.String()] = set
	return set, nil
}

func parseSet(ref string, all []source) (*templateSet, error) {
	set := &templateSet{}
	inst := &instance{}
	set.base = template.New("gotpl").Option("missingkey=zero").Funcs(inst.funcs())
	check, err := checkNode()
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		if _, err := set.base.New(s.name).Parse(string(s.data)); err != nil {
			return nil, templateError(ref, s.name, err)
		}
		if !strings.HasPrefix(path.Base(s.name), "_") {
			set.names = append(set.names, s.name)
		}
	}
	for _, t := range set.base.Templates() {
		if t.Tree != nil {
			guardLoops(t.Tree.Root, check)
		}
	}
	return set, nil
}

// checkNode is the node that guardLoops puts into loops.
func checkNode() (parse.Node, error) {
	trees, err := parse.Parse("check", "{{"+checkFunc+"}}", "", "", map[string]any{checkFunc: func() string { return "" }})
	if err != nil {
		return nil, err
	}
	return trees["check"].Root.Nodes[0], nil
}

// instance is a clone of a template set whose functions belong to one rendering
// at a time.
type instance struct {
	t        *template.Template
	b        *budget
	included map[string]int
	lookup   Lookup
}

func (s *templateSet) instance() (*instance, error) {
	if inst, ok := s.pool.Get().(*instance); ok {
		return inst, nil
	}
	inst := &instance{}
	t, err := s.base.Clone()
	if err != nil {
		return nil, err
	}
	inst.t = t.Option("missingkey=zero").Funcs(inst.funcs())
	return inst, nil
}

var errNesting = errors.New("included in itself too often")

const maxIncludes = 1000

func (i *instance) funcs() template.FuncMap {
	f := guarded(baseFuncs(), func() *budget { return i.b })
	f["include"] = func(name string, data any) (string, error) { return i.include(i.t, name, data) }
	f["tpl"] = func(text string, data any) (string, error) { return i.tpl(i.t, text, data) }
	f["required"] = required
	f["fail"] = func(msg string) (string, error) { return "", errors.New(msg) }
	f["lookup"] = i.lookupFunc
	f[checkFunc] = func() (string, error) { return i.b.check() }
	return f
}

func required(warn string, v any) (any, error) {
	if s, ok := v.(string); v == nil || ok && s == "" {
		return v, errors.New(warn)
	}
	return v, nil
}

func (i *instance) lookupFunc(apiVersion, kind, namespace, name string) (map[string]any, error) {
	if i.lookup == nil {
		return map[string]any{}, nil
	}
	obj, err := i.lookup.Lookup(i.b.ctx, apiVersion, kind, namespace, name)
	if obj == nil {
		obj = map[string]any{}
	}
	return obj, err
}

func (i *instance) include(t *template.Template, name string, data any) (string, error) {
	if i.included[name] > maxIncludes {
		return "", fmt.Errorf("%w: %s", errNesting, name)
	}
	if i.b.ctx.Err() != nil {
		return "", limited("%v", context.Cause(i.b.ctx))
	}
	i.included[name]++
	defer func() { i.included[name]-- }()
	out := builder{b: i.b}
	err := t.ExecuteTemplate(&out, name, data)
	return out.String(), err
}

// tpl renders a text as a template that sees those of the chart.
func (i *instance) tpl(parent *template.Template, text string, data any) (string, error) {
	if !strings.Contains(text, "{{") {
		return strings.ReplaceAll(text, "<no value>", ""), nil
	}
	const self = " tpl"
	if i.included[self]++; i.included[self] > maxIncludes {
		return "", fmt.Errorf("%w: tpl", errNesting)
	}
	defer func() { i.included[self]-- }()
	t, err := parent.Clone()
	if err != nil {
		return "", err
	}
	t.Option("missingkey=zero").Funcs(template.FuncMap{
		"include": func(name string, data any) (string, error) { return i.include(t, name, data) },
		"tpl":     func(text string, data any) (string, error) { return i.tpl(t, text, data) },
	})
	t, err = t.New(parent.Name()).Parse(text)
	if err != nil {
		return "", fmt.Errorf("in the text given to tpl: %w", err)
	}
	check, err := checkNode()
	if err != nil {
		return "", err
	}
	for _, made := range t.Templates() {
		if made.Tree != nil && parent.Lookup(made.Name()) != nil && parent.Lookup(made.Name()).Tree == made.Tree {
			continue // shared with the parent, which is guarded
		}
		if made.Tree != nil {
			guardLoops(made.Tree.Root, check)
		}
	}
	out := builder{b: i.b}
	if err := t.Execute(&out, data); err != nil {
		return "", err
	}
	return strings.ReplaceAll(out.String(), "<no value>", ""), nil
}

// execute renders the files of the set. vals are the top-level values by file.
func (s *templateSet) execute(ref string, inst *instance, vals func(name string) map[string]any) (out map[string]string, err error) {
	out = make(map[string]string, len(s.names))
	for _, name := range s.names {
		text, err := s.file(inst, name, vals(name))
		if err != nil {
			return nil, templateError(ref, name, err)
		}
		out[name] = text
	}
	return out, nil
}

func (s *templateSet) file(inst *instance, name string, vals map[string]any) (text string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	out := builder{b: inst.b}
	if err := inst.t.ExecuteTemplate(&out, name, vals); err != nil {
		return "", err
	}
	return strings.ReplaceAll(out.String(), "<no value>", ""), nil
}
