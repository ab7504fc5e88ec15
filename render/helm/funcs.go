package helm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"text/template"

	"github.com/BurntSushi/toml"
	"github.com/Masterminds/sprig/v3"
	goyaml "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"
)

// baseFuncs are Helm's template functions but for those that depend on the
// rendering.
func baseFuncs() template.FuncMap {
	f := sprig.TxtFuncMap()
	delete(f, "env")
	delete(f, "expandenv")
	f["toYaml"] = toYAML
	f["toYamlPretty"] = toYAMLPretty
	f["fromYaml"] = fromYAML
	f["fromYamlArray"] = fromYAMLArray
	f["toJson"] = toJSON
	f["fromJson"] = fromJSON
	f["fromJsonArray"] = fromJSONArray
	f["toToml"] = toTOML
	f["fromToml"] = fromTOML
	f["getHostByName"] = func(string) string { return "" }
	f["print"], f["println"], f["printf"] = fmt.Sprint, fmt.Sprintln, fmt.Sprintf
	f["html"], f["js"], f["urlquery"] = template.HTMLEscaper, template.JSEscaper, template.URLQueryEscaper
	return f
}

func toYAML(v any) string {
	data, err := yaml.Marshal(v)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(data), "\n")
}

func toYAMLPretty(v any) string {
	var out bytes.Buffer
	enc := goyaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(v); err != nil {
		return ""
	}
	return strings.TrimSuffix(out.String(), "\n")
}

func fromYAML(s string) map[string]any {
	m := map[string]any{}
	if err := yaml.Unmarshal([]byte(s), &m); err != nil {
		m["Error"] = err.Error()
	}
	return m
}

func fromYAMLArray(s string) []any {
	a := []any{}
	if err := yaml.Unmarshal([]byte(s), &a); err != nil {
		a = []any{err.Error()}
	}
	return a
}

func toJSON(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(data)
}

func fromJSON(s string) map[string]any {
	m := map[string]any{}
	if err := json.Unmarshal([]byte(s), &m); err != nil {
		m["Error"] = err.Error()
	}
	return m
}

func fromJSONArray(s string) []any {
	a := []any{}
	if err := json.Unmarshal([]byte(s), &a); err != nil {
		a = []any{err.Error()}
	}
	return a
}

func toTOML(v any) string {
	var out bytes.Buffer
	if err := toml.NewEncoder(&out).Encode(v); err != nil {
		return err.Error()
	}
	return out.String()
}

func fromTOML(s string) map[string]any {
	m := map[string]any{}
	if err := toml.Unmarshal([]byte(s), &m); err != nil {
		m["Error"] = err.Error()
	}
	return m
}

// guarded wraps the functions that can make much of little.
func guarded(f template.FuncMap, b func() *budget) template.FuncMap {
	out := make(template.FuncMap, len(f))
	for name, fn := range f {
		out[name] = guard(fn, b)
	}
	for name, fn := range before(f, b) {
		out[name] = fn
	}
	return out
}

// guard accounts for what a function returns.
func guard(fn any, b func() *budget) any {
	text := func(s string) (string, error) { return s, b().spend(len(s)) }
	list := func(l []any) ([]any, error) {
		if len(l) > b().maxLength {
			return nil, limited("a list of %d entries, %d are allowed", len(l), b().maxLength)
		}
		return l, b().spend(16 * len(l))
	}
	switch fn := fn.(type) {
	case func(string) string:
		return func(s string) (string, error) { return text(fn(s)) }
	case func(any) string:
		return func(v any) (string, error) { return text(fn(v)) }
	case func(...any) string:
		return func(v ...any) (string, error) { return text(fn(v...)) }
	case func(int, string) string:
		return func(n int, s string) (string, error) { return text(fn(n, s)) }
	case func(string, string) string:
		return func(a, s string) (string, error) { return text(fn(a, s)) }
	case func(string, string, string) string:
		return func(a, c, s string) (string, error) { return text(fn(a, c, s)) }
	case func(string, any) string:
		return func(a string, v any) (string, error) { return text(fn(a, v)) }
	case func(...any) []any:
		return func(v ...any) ([]any, error) { return list(fn(v...)) }
	case func(any, any) []any:
		return func(a, v any) ([]any, error) { return list(fn(a, v)) }
	case func(...any) any:
		return func(v ...any) (any, error) {
			out := fn(v...)
			if l, ok := out.([]any); ok {
				return list(l)
			}
			return out, nil
		}
	}
	return fn
}

const maxNumber = 1_000_000

// before wraps the functions whose arguments say how much they make, and those
// that put a map into a map.
func before(f template.FuncMap, b func() *budget) template.FuncMap {
	number := func(n int) error {
		if n > maxNumber {
			return limited("%d is more than %d", n, maxNumber)
		}
		return b().spend(8 * max(n, 0))
	}
	sized := func(fn func(int, string) string) any {
		return func(n int, s string) (string, error) {
			lines := 1 + strings.Count(s, "\n")
			if n > 0 && n*lines/lines != n || n > b().most || n*lines > b().most {
				return "", limited("%d spaces on %d lines", n, lines)
			}
			out := fn(n, s)
			return out, b().spend(len(out))
		}
	}
	out := template.FuncMap{
		"indent": sized(f["indent"].(func(int, string) string)), "nindent": sized(f["nindent"].(func(int, string) string)),
		"repeat": func(n int, s string) (string, error) {
			if n < 0 || len(s) > 0 && n > b().most/len(s) {
				return "", limited("%d bytes repeated %d times", len(s), n)
			}
			return strings.Repeat(s, n), b().spend(n * len(s))
		},
		"replace": func(old, with, s string) (string, error) {
			if n := strings.Count(s, old); n > 0 && len(with) > 0 && n > (b().most-len(s))/len(with) {
				return "", limited("%d replacements by %d bytes", n, len(with))
			}
			out := strings.ReplaceAll(s, old, with)
			return out, b().spend(len(out))
		},
		"printf": func(format string, args ...any) (string, error) {
			if err := checkWidths(format, args); err != nil {
				return "", err
			}
			out := fmt.Sprintf(format, args...)
			return out, b().spend(len(out))
		},
	}
	for _, name := range []string{"until", "untilStep", "seq", "randAlphaNum", "randAlpha", "randAscii", "randNumeric", "randBytes"} {
		out[name] = guardNumbers(f[name], number)
	}
	for _, name := range []string{"set", "merge", "mergeOverwrite", "mustMerge", "mustMergeOverwrite"} {
		out[name] = guardRing(f[name])
	}
	return out
}

var widths = regexp.MustCompile(`[0-9]{5,}|\*`)

// checkWidths refuses paddings of more than 9999.
func checkWidths(format string, args []any) error {
	for _, w := range widths.FindAllString(format, -1) {
		if w != "*" {
			return limited("a width of %s", w)
		}
		for _, a := range args {
			if n, err := strconv.Atoi(fmt.Sprint(a)); err == nil && (n > 9999 || n < -9999) {
				return limited("a width of %d", n)
			}
		}
	}
	return nil
}

// guardNumbers checks the numbers that a function takes.
func guardNumbers(fn any, number func(int) error) any {
	switch fn := fn.(type) {
	case func(int) []int:
		return func(n int) ([]int, error) {
			if err := errors.Join(number(n), number(-n)); err != nil {
				return nil, err
			}
			return fn(n), nil
		}
	case func(int, int, int) []int:
		return func(start, stop, step int) ([]int, error) {
			if step != 0 {
				if err := number((stop - start) / step); err != nil {
					return nil, err
				}
			}
			return fn(start, stop, step), nil
		}
	case func(...int) string:
		return func(n ...int) (string, error) {
			for _, v := range n {
				if err := errors.Join(number(v), number(-v)); err != nil {
					return "", err
				}
			}
			return fn(n...), nil
		}
	case func(int) string:
		return func(n int) (string, error) {
			if err := number(n); err != nil {
				return "", err
			}
			return fn(n), nil
		}
	case func(int) (string, error):
		return func(n int) (string, error) {
			if err := number(n); err != nil {
				return "", err
			}
			return fn(n)
		}
	}
	return fn
}

// guardRing refuses to put a map into itself.
func guardRing(fn any) any {
	ring := func(into map[string]any, values ...any) error {
		at := reflect.ValueOf(into).Pointer()
		for _, v := range values {
			if containsMap(v, at, 0) {
				return errors.New("a mapping can't contain itself")
			}
		}
		return nil
	}
	below := func(into map[string]any, sources []map[string]any) error {
		for _, s := range sources {
			for _, v := range s {
				if err := ring(into, v); err != nil {
					return err
				}
			}
		}
		return nil
	}
	switch fn := fn.(type) {
	case func(map[string]any, string, any) map[string]any:
		return func(m map[string]any, key string, v any) (map[string]any, error) {
			if err := ring(m, v); err != nil {
				return nil, err
			}
			return fn(m, key, v), nil
		}
	case func(map[string]any, ...map[string]any) any:
		return func(m map[string]any, more ...map[string]any) (any, error) {
			if err := below(m, more); err != nil {
				return nil, err
			}
			return fn(m, more...), nil
		}
	case func(map[string]any, ...map[string]any) (any, error):
		return func(m map[string]any, more ...map[string]any) (any, error) {
			if err := below(m, more); err != nil {
				return nil, err
			}
			return fn(m, more...)
		}
	}
	return fn
}
