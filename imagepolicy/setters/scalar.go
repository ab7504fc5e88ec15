package setters

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// scalar is where a scalar of one line stands in a content.
type scalar struct {
	start, end int    // with its quotes, without anchor and tag
	comment    string // that follows on the line, with its #
}

// locate finds the bytes of a node. It reports false for a scalar that is not on
// one line, and whenever the bytes do not mean the value of the node.
func locate(t text, node *yaml.Node) (scalar, bool) {
	rest, offset, ok := t.from(node.Line, node.Column)
	if !ok {
		return scalar{}, false
	}
	body := skipProperties(rest)
	start := offset + len(rest) - len(body)
	n := 0
	switch {
	case strings.HasPrefix(body, `"`):
		n = quotedEnd(body, '"')
	case strings.HasPrefix(body, "'"):
		n = quotedEnd(body, '\'')
	case strings.HasPrefix(body, node.Value):
		n = len(node.Value)
	}
	if n == 0 || !means(body[:n], node.Value) {
		return scalar{}, false
	}
	comment, ok := trailingComment(body[n:])
	return scalar{start: start, end: start + n, comment: comment}, ok
}

// skipProperties skips the anchor and the tag of a node.
func skipProperties(s string) string {
	for s != "" && (s[0] == '&' || s[0] == '!') {
		i := strings.IndexAny(s, " \t")
		if i < 0 {
			return ""
		}
		s = strings.TrimLeft(s[i:], " \t")
	}
	return s
}

// quotedEnd returns the length of the quoted scalar that s begins with, or 0.
func quotedEnd(s string, quote byte) int {
	for i := 1; i < len(s); i++ {
		switch {
		case quote == '"' && s[i] == '\\':
			i++
		case s[i] != quote:
		case quote == '\'' && i+1 < len(s) && s[i+1] == quote:
			i++
		default:
			return i + 1
		}
	}
	return 0
}

// means says whether written is one way to write value.
func means(written, value string) bool {
	if written == value {
		return true
	}
	var node yaml.Node
	if err := yaml.Unmarshal([]byte(written), &node); err != nil || len(node.Content) != 1 {
		return false
	}
	return node.Content[0].Kind == yaml.ScalarNode && node.Content[0].Value == value
}

// trailingComment returns the comment after a scalar. What else follows in a flow
// collection must be its punctuation; other content on the line makes the comment
// that of another scalar.
func trailingComment(s string) (string, bool) {
	i := strings.IndexByte(s, '#')
	if i < 0 {
		return "", true
	}
	between := s[:i]
	if strings.Trim(between, " \t,]}") != "" || !strings.HasSuffix(between, " ") && !strings.HasSuffix(between, "\t") {
		return "", true
	}
	return s[i:], true
}

// write returns value in the style of what was written. All values are of letters
// that need no escapes.
func write(written, value string) string {
	switch {
	case strings.HasPrefix(written, `"`):
		return `"` + value + `"`
	case strings.HasPrefix(written, "'"):
		return "'" + value + "'"
	case !plain(value):
		return `"` + value + `"`
	}
	return value
}

// plain says whether a value is a string without quotes, for the parsers of YAML
// 1.1 as for those of 1.2, in block and in flow style.
func plain(value string) bool {
	switch strings.ToLower(value) {
	case "y", "n", "yes", "no", "on", "off":
		return false
	}
	if strings.ContainsAny(value, "[]=") || strings.Trim(value, "0123456789_:+-") == "" {
		return false
	}
	var node yaml.Node
	if err := yaml.Unmarshal([]byte(value), &node); err != nil || len(node.Content) != 1 {
		return false
	}
	n := node.Content[0]
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" && n.Value == value
}
