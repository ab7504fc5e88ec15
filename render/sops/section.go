package sops

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

const flatPrefix = "sops_"

// takeMetadata removes the sops section from documents and reads it.
func takeMetadata(docs []*yaml.Node, f Format) (*metadata, error) {
	var section *yaml.Node
	for _, doc := range docs {
		var found *yaml.Node
		switch f {
		case Dotenv:
			found = takeFlat(doc)
		case INI:
			found = takeINI(doc)
		default:
			found = takeKey(doc, "sops")
		}
		if section == nil {
			section = found
		}
	}
	if section == nil {
		return nil, ErrNotEncrypted
	}
	var m metadata
	if err := section.Decode(&m); err != nil {
		return nil, fmt.Errorf("%w: the sops section", ErrFormat)
	}
	if m.MAC == "" && m.LastModified == "" {
		return nil, ErrNotEncrypted
	}
	return &m, nil
}

// takeKey removes a key of a mapping and returns its value, or nil.
func takeKey(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			v := n.Content[i+1]
			n.Content = slices.Delete(n.Content, i, i+2)
			return v
		}
	}
	return nil
}

// takeFlat removes the keys sops_… of a dotenv file, whose lists and mappings are
// written into the keys: sops_age__list_0__map_enc.
func takeFlat(n *yaml.Node) *yaml.Node {
	root := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	var rest []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, ok := strings.CutPrefix(n.Content[i].Value, flatPrefix)
		if !ok {
			rest = append(rest, n.Content[i], n.Content[i+1])
			continue
		}
		place(root, name, n.Content[i+1])
	}
	n.Content = rest
	if len(root.Content) == 0 {
		return nil
	}
	return root
}

// place puts a value where its flattened name says. Numbers and booleans of the
// section are text here.
func place(at *yaml.Node, name string, v *yaml.Node) {
	first, rest, nested := cutFlat(name)
	if !nested {
		if first == "shamir_threshold" || first == "mac_only_encrypted" {
			v = &yaml.Node{Kind: yaml.ScalarNode, Value: v.Value}
		}
		at.Content = append(at.Content, encode(first), v)
		return
	}
	child := childOf(at, first)
	if strings.HasPrefix(rest, "list_") {
		number, after, _ := cutFlat(strings.TrimPrefix(rest, "list_"))
		i, err := strconv.Atoi(number)
		if err != nil || i < 0 || i > 1000 {
			return
		}
		child.Kind, child.Tag = yaml.SequenceNode, "!!seq"
		for len(child.Content) <= i {
			child.Content = append(child.Content, &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"})
		}
		place(child.Content[i], strings.TrimPrefix(after, "map_"), v)
		return
	}
	place(child, strings.TrimPrefix(rest, "map_"), v)
}

func cutFlat(name string) (first, rest string, nested bool) {
	at := -1
	for _, sep := range []string{"__list_", "__map_"} {
		if i := strings.Index(name, sep); i >= 0 && (at < 0 || i < at) {
			at = i
		}
	}
	if at < 0 {
		return name, "", false
	}
	return name[:at], name[at+2:], true
}

func childOf(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	child := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	n.Content = append(n.Content, encode(key), child)
	return child
}

// putMetadata adds the sops section to a document.
func putMetadata(doc *yaml.Node, m *metadata, f Format) error {
	section := &yaml.Node{}
	if err := section.Encode(m); err != nil {
		return err
	}
	if f != Dotenv && f != INI {
		doc.Content = append(doc.Content, encode("sops"), section)
		return nil
	}
	flat := map[string]string{}
	flatten(flat, "", section)
	names := make([]string, 0, len(flat))
	for name := range flat {
		names = append(names, name)
	}
	sort.Strings(names)
	if f == INI {
		putINI(doc, flat, names)
		return nil
	}
	for _, name := range names {
		doc.Content = append(doc.Content, encode(flatPrefix+name), encode(flat[name]))
	}
	return nil
}

func flatten(out map[string]string, name string, n *yaml.Node) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			child := n.Content[i].Value
			if name != "" {
				child = name + "__map_" + child
			}
			flatten(out, child, n.Content[i+1])
		}
	case yaml.SequenceNode:
		for i, item := range n.Content {
			flatten(out, fmt.Sprintf("%s__list_%d", name, i), item)
		}
	default:
		out[name] = n.Value
	}
}
