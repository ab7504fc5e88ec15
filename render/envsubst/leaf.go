package envsubst

import (
	"errors"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// errNotPlain says that a value must go through the YAML of its whole object.
var errNotPlain = errors.New("not plain")

// plainly replaces the variables of an object value by value, without writing
// and reading YAML. It does so only where the result is the same by the rules of
// YAML: what was written and what comes out are plain words or whole numbers.
// Anything else is errNotPlain.
func (s Substitution) plainly(obj *unstructured.Unstructured, o Options) (*unstructured.Unstructured, error) {
	v, err := plainValue(obj.Object, Map(s.Variables), o)
	if err != nil {
		return nil, err
	}
	return &unstructured.Unstructured{Object: v.(map[string]any)}, nil
}

func plainValue(v any, lookup Lookup, o Options) (any, error) {
	switch v := v.(type) {
	case string:
		return plainText(v, lookup, o)
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, child := range v {
			if strings.Contains(k, "$") {
				return nil, errNotPlain
			}
			next, err := plainValue(child, lookup, o)
			if err != nil {
				return nil, err
			}
			out[k] = next
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, child := range v {
			next, err := plainValue(child, lookup, o)
			if err != nil {
				return nil, err
			}
			out[i] = next
		}
		return out, nil
	}
	return v, nil
}

func plainText(text string, lookup Lookup, o Options) (any, error) {
	if !strings.Contains(text, "$") {
		return text, nil
	}
	if !isPlainSource(text) {
		return nil, errNotPlain
	}
	out, err := Expand(text, lookup, o)
	if err != nil {
		return nil, errNotPlain // the long way reports it, or makes sense of it
	}
	if isWholeNumber(out) {
		return strconv.ParseInt(out, 10, 64)
	}
	if isPlainWord(out) {
		return out, nil
	}
	return nil, errNotPlain
}

// isPlainSource says whether YAML writes text as it is, without quotes or folds.
func isPlainSource(text string) bool {
	if c := text[0]; c != '$' && !isLetter(c) && c != '/' {
		return false
	}
	for i := range len(text) {
		if c := text[i]; !isWordByte(c) && c != '$' && c != '{' && c != '}' && c != '^' {
			return false
		}
	}
	return !strings.HasSuffix(text, ":")
}

// isPlainWord says whether YAML reads text as a string and nothing else.
func isPlainWord(text string) bool {
	if text == "" || !isLetter(text[0]) && text[0] != '/' || text[len(text)-1] == ':' {
		return false
	}
	for i := range len(text) {
		if !isWordByte(text[i]) {
			return false
		}
	}
	switch strings.ToLower(text) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null":
		return false
	}
	return true
}

// isWholeNumber says whether YAML reads text as a decimal integer of 64 bits.
func isWholeNumber(text string) bool {
	digits := strings.TrimPrefix(text, "-")
	if digits == "" || len(digits) > 18 || digits[0] == '0' && text != "0" {
		return false
	}
	return strings.Trim(digits, "0123456789") == ""
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func isWordByte(c byte) bool {
	return isLetter(c) || '0' <= c && c <= '9' || strings.IndexByte("_./:=@-", c) >= 0
}
