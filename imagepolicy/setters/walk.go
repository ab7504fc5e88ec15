package setters

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// walk goes through the documents of a file.
type walk struct {
	file   string
	text   text
	images map[Policy]Image
	nodes  []string     // the values of all nodes, in the order of the file
	used   map[int]bool // lines whose marker belongs to a scalar
	result Result
}

// place is where in a document a node is.
type place struct {
	object Object
	field  string
	line   int // on which its key or dash stands, if the node is there as well
	column int // of its key
}

// remember adds the values of a node and of all below it.
func (w *walk) remember(n *yaml.Node) {
	w.nodes = append(w.nodes, n.Value)
	for _, child := range n.Content {
		w.remember(child)
	}
}

func (w *walk) node(n *yaml.Node, at place) {
	index := len(w.nodes)
	w.nodes = append(w.nodes, n.Value)
	switch n.Kind {
	case yaml.DocumentNode:
		for _, child := range n.Content {
			w.node(child, at)
		}
	case yaml.MappingNode:
		w.mapping(n, at)
	case yaml.SequenceNode:
		for i, child := range n.Content {
			w.node(child, place{object: at.object, field: at.field + "[" + strconv.Itoa(i) + "]", line: child.Line, column: child.Column})
		}
	case yaml.ScalarNode:
		w.scalar(n, index, at)
	case yaml.AliasNode:
	}
}

func (w *walk) mapping(n *yaml.Node, at place) {
	if o, ok := objectOf(n); ok {
		at.object, at.field = o, ""
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		w.remember(key)
		field := key.Value
		if at.field != "" {
			field = at.field + "." + field
		}
		w.node(value, place{object: at.object, field: field, line: key.Line, column: key.Column})
	}
}

func (w *walk) scalar(n *yaml.Node, index int, at place) {
	found, ok := locate(w.text, n)
	if !ok {
		return
	}
	policy, part, line, err := w.marker(n, found, at)
	if line == 0 {
		return
	}
	w.used[line] = true
	skip := func(err error) {
		w.result.Skipped = append(w.result.Skipped, Skipped{File: w.file, Line: line, Err: err})
	}
	if err != nil {
		skip(err)
		return
	}
	image, ok := w.images[policy]
	if !ok {
		skip(fmt.Errorf("the policy %s has no image", policy))
		return
	}
	value := image.part(part)
	if value == "" {
		skip(fmt.Errorf("the image of the policy %s has no %s", policy, part))
		return
	}
	if value == n.Value {
		return
	}
	written := string(w.text.content[found.start:found.end])
	w.result.Changes = append(w.result.Changes, Change{
		File: w.file, Object: at.object, Field: at.field, Line: n.Line, Policy: policy, Part: part, Image: image,
		Old: n.Value, New: value, Offset: found.start, OldText: written, NewText: write(written, value), node: index,
	})
}

// marker returns the marker of a scalar: on its line, or else right above. The
// line is 0 if there is none.
func (w *walk) marker(n *yaml.Node, found scalar, at place) (policy Policy, part Part, line int, err error) {
	if policy, part, ok, err := parseMarker(found.comment); ok {
		return policy, part, n.Line, err
	}
	s, _, _ := w.text.line(n.Line)
	before := strings.TrimLeft(s, " \t")
	_, keyOffset, ok := w.text.from(at.line, at.column)
	_, lineOffset, _ := w.text.line(n.Line)
	if !ok || at.line != n.Line || strings.Trim(string(w.text.content[lineOffset:keyOffset]), " \t-") != "" {
		return Policy{}, "", 0, nil // another scalar is the first of the line
	}
	for i, comment := range w.text.headComments(n.Line) {
		above, _, _ := w.text.line(n.Line - 1 - i)
		if len(above)-len(strings.TrimLeft(above, " \t")) > len(s)-len(before) {
			continue // deeper than what it would be about: it may be text in a block scalar
		}
		if policy, part, ok, err := parseMarker(comment); ok {
			return policy, part, n.Line - 1 - i, err
		}
	}
	return Policy{}, "", 0, nil
}

// unused reports the markers that belong to no scalar.
func (w *walk) unused() {
	for line := 1; line <= len(w.text.starts); line++ {
		s, _, _ := w.text.line(line)
		if w.used[line] || !hasMarker([]byte(s)) {
			continue
		}
		for i := range len(s) {
			if s[i] != '#' {
				continue
			}
			if _, _, ok, _ := parseMarker(s[i:]); ok { //nolint:errcheck // it is reported either way
				w.result.Skipped = append(w.result.Skipped, Skipped{File: w.file, Line: line, Err: errNoScalar})
				break
			}
		}
	}
}

// objectOf returns the object that a mapping is.
func objectOf(n *yaml.Node) (Object, bool) {
	var o Object
	for i := 0; i+1 < len(n.Content); i += 2 {
		value := n.Content[i+1]
		switch n.Content[i].Value {
		case "apiVersion":
			o.APIVersion = value.Value
		case "kind":
			o.Kind = value.Value
		case "metadata":
			for j := 0; j+1 < len(value.Content); j += 2 {
				switch value.Content[j].Value {
				case "name":
					o.Name = value.Content[j+1].Value
				case "namespace":
					o.Namespace = value.Content[j+1].Value
				}
			}
		}
	}
	return o, o.APIVersion != "" && o.Kind != "" && (o.Name != "" || o.Kind == "Kustomization" || o.Kind == "List")
}
