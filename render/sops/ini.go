package sops

import (
	"bytes"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
	"gopkg.in/ini.v1"
)

// An INI file is a mapping of its sections, each a mapping of text; the section of
// what stands before the first header is called DEFAULT. SOPS reads and writes them
// by the same library, whose peculiarities are therefore part of the format.

func iniOptions() ini.LoadOptions { return ini.LoadOptions{AllowNonUniqueSections: true} }

func iniDocument(data []byte) ([]*yaml.Node, error) {
	file, err := ini.LoadSources(iniOptions(), data)
	if err != nil {
		return nil, fmt.Errorf("%w: no INI", ErrFormat)
	}
	doc := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, section := range file.Sections() {
		content := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", HeadComment: iniComment(section.Comment)}
		for _, key := range section.Keys() {
			name := encode(key.Name())
			name.HeadComment = iniComment(key.Comment)
			content.Content = append(content.Content, name, encode(key.Value()))
		}
		doc.Content = append(doc.Content, encode(section.Name()), content)
	}
	return []*yaml.Node{doc}, nil
}

// iniComment turns a comment of INI, whose first mark goes, into one of YAML.
func iniComment(text string) string {
	switch {
	case text == "":
		return ""
	case text[0] == ';':
		text = strings.TrimLeft(text, "; ")
	case text[0] == '#':
		text = strings.TrimLeft(text, "# ")
	}
	return "#" + text
}

func emitINI(doc *yaml.Node) ([]byte, error) {
	file := ini.Empty(iniOptions())
	file.DeleteSection(ini.DefaultSection)
	for i := 0; i+1 < len(doc.Content); i += 2 {
		if err := addSection(file, doc.Content[i].Value, doc.Content[i+1]); err != nil {
			return nil, err
		}
	}
	var out bytes.Buffer
	_, err := file.WriteTo(&out)
	return out.Bytes(), err
}

func addSection(file *ini.File, name string, content *yaml.Node) error {
	section, err := file.NewSection(name)
	if err != nil || content.Kind != yaml.MappingNode {
		return fmt.Errorf("%w: an INI file has sections with keys", ErrFormat)
	}
	section.Comment = strings.TrimPrefix(content.HeadComment, "#")
	for i := 0; i+1 < len(content.Content); i += 2 {
		name, value := content.Content[i], content.Content[i+1]
		if value.Kind != yaml.ScalarNode {
			return fmt.Errorf("%w: an INI file has no lists, and no mappings in sections", ErrFormat)
		}
		key, err := section.NewKey(name.Value, value.Value)
		if err != nil {
			return fmt.Errorf("%w: a key without a name in an INI file", ErrFormat)
		}
		key.Comment = strings.TrimPrefix(name.HeadComment, "#")
	}
	return nil
}

// takeINI removes the section sops, whose keys are flattened like those of a dotenv
// file, with line ends escaped.
func takeINI(doc *yaml.Node) *yaml.Node {
	flat := takeKey(doc, "sops")
	if flat == nil {
		return nil
	}
	root := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for i := 0; i+1 < len(flat.Content); i += 2 {
		place(root, flat.Content[i].Value, encode(strings.ReplaceAll(flat.Content[i+1].Value, `\n`, "\n")))
	}
	return root
}

// putINI adds the section sops.
func putINI(doc *yaml.Node, flat map[string]string, names []string) {
	section := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, name := range names {
		section.Content = append(section.Content, encode(name), encode(strings.ReplaceAll(flat[name], "\n", `\n`)))
	}
	doc.Content = append(doc.Content, encode("sops"), section)
}
