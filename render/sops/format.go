package sops

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Format is the format of a file.
type Format int

const (
	// Binary is any file; encrypted, it is JSON with the content under "data".
	Binary Format = iota
	// YAML may have several documents.
	YAML
	// JSON has an object at the top.
	JSON
	// Dotenv has lines of KEY=value.
	Dotenv
	// INI has sections with lines of key = value.
	INI
)

// FormatOf tells the format by the name of a file: .yaml, .yml, .json, .env, .ini,
// and else Binary.
func FormatOf(name string) Format {
	switch path.Ext(name) {
	case ".yaml", ".yml":
		return YAML
	case ".json":
		return JSON
	case ".env":
		return Dotenv
	case ".ini":
		return INI
	}
	return Binary
}

var iniMAC = regexp.MustCompile(`(?m)^mac\s*=\s*ENC\[`)

// detect tells the format of encrypted data by how its MAC is written; ok is
// false where there is none.
func detect(data []byte) (f Format, ok bool) {
	switch {
	case bytes.Contains(data, []byte("sops_mac=ENC[")):
		return Dotenv, true
	case bytes.Contains(data, []byte(`"mac": "ENC[`)), bytes.Contains(data, []byte(`"mac":"ENC[`)):
		return JSON, true
	case bytes.Contains(data, []byte("mac: ENC[")), bytes.Contains(data, []byte(`mac: "ENC[`)), bytes.Contains(data, []byte("mac: 'ENC[")):
		return YAML, true
	case bytes.Contains(data, []byte("[sops]")) && iniMAC.Match(data):
		return INI, true
	}
	return Binary, false
}

// IsEncrypted says whether data looks like a file that SOPS encrypted.
func IsEncrypted(data []byte) bool {
	_, ok := detect(data)
	return ok
}

// documents reads data as mapping nodes.
func documents(data []byte, f Format) ([]*yaml.Node, error) {
	switch f {
	case YAML:
		return yamlDocuments(data)
	case Dotenv:
		return dotenvDocument(data)
	case INI:
		return iniDocument(data)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	n, err := jsonNode(dec, 0)
	if err != nil || n.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%w: no JSON object", ErrFormat)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: something follows the JSON object", ErrFormat)
	}
	return []*yaml.Node{n}, nil
}

func yamlDocuments(data []byte) ([]*yaml.Node, error) {
	var out []*yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var doc yaml.Node
		err := dec.Decode(&doc)
		switch {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, fmt.Errorf("%w: no YAML", ErrFormat)
		case len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode:
			return nil, fmt.Errorf("%w: a YAML document that is no mapping", ErrFormat)
		}
		top := doc.Content[0]
		if top.HeadComment == "" {
			top.HeadComment = doc.HeadComment
		}
		if top.FootComment == "" {
			top.FootComment = doc.FootComment
		}
		out = append(out, top)
	}
}

const maxJSONDepth = 1000

// jsonNode reads one JSON value, keeping the order of keys.
func jsonNode(dec *json.Decoder, depth int) (*yaml.Node, error) {
	t, err := dec.Token()
	if err != nil || depth > maxJSONDepth {
		return nil, ErrFormat
	}
	switch t := t.(type) {
	case json.Delim:
		return jsonContainer(dec, t, depth)
	case json.Number:
		if i, err := strconv.Atoi(t.String()); err == nil {
			return encode(i), nil
		}
		f, err := t.Float64()
		return encode(f), err
	default:
		return encode(t), nil
	}
}

func jsonContainer(dec *json.Decoder, open json.Delim, depth int) (*yaml.Node, error) {
	n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	if open == '{' {
		n = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	}
	for dec.More() {
		child, err := jsonNode(dec, depth+1)
		if err != nil {
			return nil, err
		}
		n.Content = append(n.Content, child)
	}
	_, err := dec.Token() // the closing delimiter
	return n, err
}

func dotenvDocument(data []byte) ([]*yaml.Node, error) {
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	var head []string
	for line := range strings.SplitSeq(string(data), "\n") {
		if line == "" {
			continue
		}
		if line[0] == '#' {
			head = append(head, line)
			continue
		}
		key, v, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Errorf("%w: a line without =", ErrFormat)
		}
		k := encode(key)
		k.HeadComment, head = strings.Join(head, "\n"), nil
		n.Content = append(n.Content, k, encode(strings.ReplaceAll(v, `\n`, "\n")))
	}
	n.FootComment = strings.Join(head, "\n")
	return []*yaml.Node{n}, nil
}

// emit writes documents as SOPS does.
func emit(docs []*yaml.Node, f Format) ([]byte, error) {
	var out bytes.Buffer
	switch f {
	case YAML:
		enc := yaml.NewEncoder(&out)
		enc.SetIndent(4)
		for _, doc := range docs {
			if err := enc.Encode(&yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{doc}}); err != nil {
				return nil, err
			}
		}
		return out.Bytes(), enc.Close()
	case Dotenv:
		return emitDotenv(docs[0])
	case INI:
		return emitINI(docs[0])
	}
	if err := emitJSON(&out, docs[0]); err != nil {
		return nil, err
	}
	var indented bytes.Buffer
	err := json.Indent(&indented, out.Bytes(), "", "\t")
	indented.WriteByte('\n')
	return indented.Bytes(), err
}

func emitDotenv(n *yaml.Node) ([]byte, error) {
	var out bytes.Buffer
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, v := n.Content[i], n.Content[i+1]
		if v.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("%w: a dotenv file has no lists or mappings", ErrFormat)
		}
		if key.HeadComment != "" {
			out.WriteString(key.HeadComment + "\n")
		}
		out.WriteString(key.Value + "=" + strings.ReplaceAll(v.Value, "\n", `\n`) + "\n")
	}
	if n.FootComment != "" {
		out.WriteString(n.FootComment + "\n")
	}
	return out.Bytes(), nil
}

func emitJSON(out *bytes.Buffer, n *yaml.Node) error {
	switch n.Kind {
	case yaml.MappingNode, yaml.SequenceNode:
		opening, closing, step := "[", "]", 1
		if n.Kind == yaml.MappingNode {
			opening, closing, step = "{", "}", 2
		}
		out.WriteString(opening)
		for i := 0; i < len(n.Content); i += step {
			if i > 0 {
				out.WriteByte(',')
			}
			if step == 2 {
				key, err := json.Marshal(n.Content[i].Value)
				if err != nil {
					return err
				}
				out.Write(append(key, ':'))
			}
			if err := emitJSON(out, n.Content[i+step-1]); err != nil {
				return err
			}
		}
		out.WriteString(closing)
		return nil
	}
	var v any
	if err := n.Decode(&v); err != nil {
		return err
	}
	data, err := json.Marshal(v)
	out.Write(data)
	return err
}
