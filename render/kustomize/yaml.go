package kustomize

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kustomize/api/types"
)

// checkText refuses YAML whose aliases expand to more than the limit or to
// themselves, which the library would follow until memory or stack are gone.
// Text that is no YAML passes: the library reports it.
func (t *tree) checkText(file string, data []byte) error {
	if bytes.IndexByte(data, '*') < 0 || bytes.IndexByte(data, '&') < 0 {
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var doc yaml.Node
		if err := dec.Decode(&doc); err != nil {
			return nil //nolint:nilerr // the library reports syntax
		}
		c := counter{most: t.limits.YAMLNodes, sizes: map[*yaml.Node]int{}}
		if _, err := c.count(&doc); err != nil {
			e := &Error{Op: "scan", Line: c.line, Err: err}
			if file != "" {
				e.File = display(file)
			}
			return e
		}
	}
}

// counter counts nodes with aliases expanded, in time linear in the text.
type counter struct {
	most  int
	line  int
	sizes map[*yaml.Node]int // of anchored nodes; -1 while being counted
}

func (c *counter) count(n *yaml.Node) (int, error) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if size, ok := c.sizes[n]; ok {
		if size < 0 {
			c.line = n.Line
			return 0, fmt.Errorf("%w: anchor &%s contains itself", ErrInvalid, n.Anchor)
		}
		return size, nil
	}
	if n.Anchor != "" {
		c.sizes[n] = -1
	}
	total := 1
	for _, child := range n.Content {
		size, err := c.count(child)
		if err != nil {
			return 0, err
		}
		if total += size; total > c.most {
			c.line = n.Line
			return 0, fmt.Errorf("%w: its aliases expand to more than %d nodes", ErrLimit, c.most)
		}
	}
	if n.Anchor != "" {
		c.sizes[n] = total
	}
	return total, nil
}

// parseKustomization reads a kustomization strictly; the error has the line and
// the field.
func parseKustomization(file string, content []byte) (*types.Kustomization, error) {
	var k types.Kustomization
	err := k.Unmarshal(content)
	if err == nil {
		return &k, nil
	}
	e := &Error{Op: "scan", File: display(file)}
	e.Line, e.Field = placeOf(content, err)
	e.Err = fmt.Errorf("%w: %s", ErrInvalid, plainMessage(err))
	return nil, e
}

var (
	yamlLine     = regexp.MustCompile(`line (\d+)`)
	unknownField = regexp.MustCompile(`unknown field "([^"]+)"`)
	wrongType    = regexp.MustCompile(`into Go struct field [^.]*\.(\S+) of type (\S+)`)
)

// placeOf finds line and field of a decoding error.
func placeOf(content []byte, err error) (line int, field string) {
	msg := err.Error()
	if m := unknownField.FindStringSubmatch(msg); m != nil {
		return keyLine(content, m[1]), m[1]
	}
	if m := wrongType.FindStringSubmatch(msg); m != nil {
		last := m[1][strings.LastIndexByte(m[1], '.')+1:]
		return keyLine(content, last), m[1]
	}
	return syntaxLine(err), ""
}

// syntaxLine is the line that a YAML error gives, or 0.
func syntaxLine(err error) int {
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		n, _ := strconv.Atoi(m[1])
		return n
	}
	return 0
}

// plainMessage is what an error of the decoders says, without their names.
func plainMessage(err error) string {
	msg := strings.TrimPrefix(err.Error(), "invalid Kustomization: ")
	if m := unknownField.FindStringSubmatch(msg); m != nil {
		return "unknown field " + m[1]
	}
	if m := wrongType.FindStringSubmatch(msg); m != nil {
		return "the value should be of type " + m[2]
	}
	msg = strings.TrimPrefix(msg, "error converting YAML to JSON: ")
	return yamlPrefix.ReplaceAllString(msg, "")
}

var yamlPrefix = regexp.MustCompile(`yaml: (line \d+: )?`)

// keyLine is the line of the first mapping key with that name, or 0.
func keyLine(content []byte, key string) int {
	var doc yaml.Node
	if err := yaml.Unmarshal(content, &doc); err != nil {
		return 0
	}
	var find func(n *yaml.Node) int
	find = func(n *yaml.Node) int {
		for i, child := range n.Content {
			if n.Kind == yaml.MappingNode && i%2 == 0 && child.Value == key {
				return child.Line
			}
			if line := find(child); line > 0 {
				return line
			}
		}
		return 0
	}
	return find(&doc)
}

var fieldElement = regexp.MustCompile(`[^.\[\]]+|\[\d+\]`)

// lineOf is the line of a field such as "patches[1].path", or of the nearest
// field above it that is there.
func lineOf(content []byte, field string) int {
	var doc yaml.Node
	if err := yaml.Unmarshal(content, &doc); err != nil || len(doc.Content) == 0 {
		return 0
	}
	n, line := doc.Content[0], 0
	for _, element := range fieldElement.FindAllString(field, -1) {
		next, at, err := descend(n, element)
		if err != nil {
			return line
		}
		n, line = next, at
	}
	return line
}

var errNoField = errors.New("no such field")

func descend(n *yaml.Node, element string) (*yaml.Node, int, error) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if element[0] == '[' {
		i, _ := strconv.Atoi(strings.Trim(element, "[]"))
		if n.Kind != yaml.SequenceNode || i >= len(n.Content) {
			return nil, 0, errNoField
		}
		return n.Content[i], n.Content[i].Line, nil
	}
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == element {
			return n.Content[i+1], n.Content[i].Line, nil
		}
	}
	return nil, 0, errNoField
}
