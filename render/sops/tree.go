package sops

import (
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"strings"

	"go.yaml.in/yaml/v3"
)

// walker goes through the values of a file in their order and replaces each
// that the rules mean; it hashes the plaintext on the way.
type walker struct {
	rules  rules
	mac    hash.Hash
	key    []byte
	seal   bool // encrypt instead of decrypt
	whole  bool // a comment of several lines is one value
	values int
}

// macOnlyEncryptedStart opens the hash where only encrypted values count; it is
// the SHA-256 of "sops".
var macOnlyEncryptedStart = []byte{
	0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b,
	0x0b, 0x97, 0x5b, 0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
}

// maxValues bounds what aliases can multiply.
const maxValues = 1_000_000

func newWalker(r rules, key []byte, seal bool, f Format) *walker {
	w := &walker{rules: r, mac: sha512.New(), key: key, seal: seal, whole: f == INI}
	if r.macOnlyEncrypted {
		w.mac.Write(macOnlyEncryptedStart)
	}
	return w
}

func (w *walker) sum() string { return fmt.Sprintf("%X", w.mac.Sum(nil)) }

// node returns n with its values replaced. inside is the path of n's own
// content; comments beside n belong to the path of what holds it.
func (w *walker) node(n *yaml.Node, path []string) (*yaml.Node, error) {
	if w.values++; w.values > maxValues {
		return nil, fmt.Errorf("%w: more than %d values", ErrFormat, maxValues)
	}
	switch n.Kind {
	case yaml.MappingNode:
		return w.mapping(n, path)
	case yaml.SequenceNode:
		return w.sequence(n, path)
	case yaml.AliasNode:
		return w.node(n.Alias, path)
	case yaml.ScalarNode:
		return w.scalar(n, path)
	}
	return nil, fmt.Errorf("%w: unexpected YAML", ErrFormat)
}

func (w *walker) mapping(n *yaml.Node, path []string) (*yaml.Node, error) {
	out := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	w.comments(n, out, path)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("%w: a key that is no text", ErrFormat)
		}
		newKey := encode(key.Value)
		w.comments(key, newKey, path)
		newValue, err := w.node(value, append(path[:len(path):len(path)], key.Value))
		if err != nil {
			return nil, err
		}
		if newValue.Tag == commentTag {
			newValue = encode(newValue.Value)
		}
		if value.Kind == yaml.ScalarNode {
			w.comments(value, newValue, path)
		}
		out.Content = append(out.Content, newKey, newValue)
	}
	return out, nil
}

func (w *walker) sequence(n *yaml.Node, path []string) (*yaml.Node, error) {
	out := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	w.comments(n, out, path)
	var head []string
	for _, item := range n.Content {
		v, err := w.node(item, path)
		if err != nil {
			return nil, err
		}
		if v.Tag == commentTag { // SOPS writes comments in lists as items
			head = append(head, "#"+v.Value)
			continue
		}
		if item.Kind == yaml.ScalarNode {
			w.comments(item, v, path)
		}
		if len(head) > 0 {
			v.HeadComment = strings.TrimSuffix(strings.Join(head, "\n")+"\n"+v.HeadComment, "\n")
			head = nil
		}
		out.Content = append(out.Content, v)
	}
	if len(head) > 0 {
		out.FootComment = strings.Join(head, "\n")
	}
	return out, nil
}

// commentTag marks an item of a list that is a comment.
const commentTag = "!comment"

func (w *walker) scalar(n *yaml.Node, path []string) (*yaml.Node, error) {
	var v any
	if err := n.Decode(&v); err != nil {
		return nil, w.at(path, fmt.Errorf("%w: unreadable value", ErrFormat))
	}
	if v == nil {
		return encode(nil), nil
	}
	encrypted := w.rules.encrypts(path)
	if w.seal {
		return w.sealScalar(v, path, encrypted)
	}
	if encrypted {
		s, ok := v.(string)
		if !ok {
			return nil, w.at(path, fmt.Errorf("%w: an encrypted value is wanted", ErrFormat))
		}
		var err error
		if v, err = openValue(s, w.key, joined(path)); err != nil {
			return nil, w.at(path, err)
		}
	}
	if err := w.hash(v, encrypted); err != nil {
		return nil, w.at(path, err)
	}
	if c, ok := v.(comment); ok {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: commentTag, Value: string(c)}, nil
	}
	return encode(v), nil
}

func (w *walker) sealScalar(v any, path []string, encrypted bool) (*yaml.Node, error) {
	if err := w.hash(v, encrypted); err != nil {
		return nil, w.at(path, err)
	}
	if !encrypted {
		return encode(v), nil
	}
	s, err := sealValue(v, w.key, joined(path))
	if err != nil {
		return nil, w.at(path, err)
	}
	return encode(s), nil
}

func (w *walker) hash(v any, encrypted bool) error {
	if _, ok := v.(comment); ok || w.rules.macOnlyEncrypted && !encrypted {
		return nil
	}
	plain, _, err := valueBytes(v)
	w.mac.Write(plain)
	return err
}

// comments carries the comments of a node over, encrypted or decrypted like the
// values beside them. One that can't be decrypted was never encrypted.
func (w *walker) comments(from, to *yaml.Node, path []string) {
	to.HeadComment = w.commentLines(from.HeadComment, path)
	to.LineComment = w.commentLines(from.LineComment, path)
	to.FootComment = w.commentLines(from.FootComment, path)
}

func (w *walker) commentLines(text string, path []string) string {
	if text == "" || !w.rules.encrypts(path) {
		return text
	}
	lines := []string{text}
	if !w.whole {
		lines = strings.Split(text, "\n")
	}
	for i, line := range lines {
		body, ok := strings.CutPrefix(line, "#")
		if !ok || body == "" {
			continue
		}
		if w.seal {
			if s, err := sealValue(comment(body), w.key, joined(path)); err == nil {
				lines[i] = "#" + s
			}
			continue
		}
		if v, err := openValue(body, w.key, joined(path)); err == nil {
			if c, ok := v.(comment); ok {
				lines[i] = "#" + string(c)
			}
		}
	}
	return strings.Join(lines, "\n")
}

func (w *walker) at(path []string, err error) error {
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	return &Error{Op: "decrypt", Field: strings.Join(path, "."), Err: err}
}

// joined is the path as it authenticates a value.
func joined(path []string) string { return strings.Join(path, ":") + ":" }

// encode makes a node of a plain value.
func encode(v any) *yaml.Node {
	n := &yaml.Node{}
	_ = n.Encode(v) // scalars encode
	return n
}
