package envsubst

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// OptOut is the label or annotation that, with the value "disabled", keeps an
// object as it is.
const OptOut = "kustomize.toolkit.fluxcd.io/substitute"

// Substitution is what Objects does.
type Substitution struct {
	// Variables by name: letters, digits and underscores, no digit first.
	Variables map[string]string
	// Always substitutes even where there are no variables, so that defaults
	// take effect and $$ becomes $. Flux calls it substituteStrategy: Always.
	Always bool
	// AllowUndefined takes an undefined variable as empty instead of failing.
	AllowUndefined bool
	// MaxOutput bounds the YAML of one object, in bytes. Zero means 64 MiB.
	MaxOutput int
}

var validName = regexp.MustCompile(`^[_[:alpha:]][_[:alpha:][:digit:]]*$`)

// Objects replaces the variables in objects. Each object is written as YAML,
// expanded and read again, so a value can change the type of a field: `replicas:
// ${n}` becomes a number.
//
// The objects given are not changed: the result holds a new object where
// something was replaced and the given one where nothing was. Without variables
// and without Always nothing happens. All failures are reported, joined, each an
// *Error with object and field.
func Objects(objects []*unstructured.Unstructured, s Substitution) ([]*unstructured.Unstructured, error) {
	if err := CheckNames(s.Variables); err != nil {
		return nil, err
	}
	out := slices.Clone(objects)
	if len(s.Variables) == 0 && !s.Always {
		return out, nil
	}
	var errs []error
	for i, obj := range objects {
		if !hasDollar(obj.Object) || optedOut(obj) {
			continue
		}
		changed, err := s.object(obj)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out[i] = changed
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return out, nil
}

// CheckNames fails with ErrName on the first name, in order, that no expression
// can use.
func CheckNames(vars map[string]string) error {
	var bad []string
	for name := range vars {
		if !validName.MatchString(name) {
			bad = append(bad, name)
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return &Error{
		Op: "substitute", Variable: slices.Min(bad),
		Err: fmt.Errorf("%w: use letters, digits and underscores, starting with no digit", ErrName),
	}
}

func optedOut(obj *unstructured.Unstructured) bool {
	return obj.GetAnnotations()[OptOut] == "disabled" || obj.GetLabels()[OptOut] == "disabled"
}

// hasDollar says whether a string or a key in v has a dollar sign: without one
// there is nothing to replace.
func hasDollar(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.Contains(v, "$")
	case map[string]any:
		for k, child := range v {
			if strings.Contains(k, "$") || hasDollar(child) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, hasDollar)
	}
	return false
}

func (s Substitution) object(obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	o := Options{AllowUndefined: s.AllowUndefined, MaxOutput: s.MaxOutput}
	if out, err := s.plainly(obj, o); err == nil {
		return out, nil
	}
	return s.throughYAML(obj, o)
}

// throughYAML writes an object as YAML, expands the text and reads it again.
func (s Substitution) throughYAML(obj *unstructured.Unstructured, o Options) (*unstructured.Unstructured, error) {
	text, err := yaml.Marshal(obj.Object)
	if err != nil {
		return nil, &Error{Op: "substitute", Ref: describe(obj), Err: err}
	}
	expanded, err := Expand(string(text), Map(s.Variables), o)
	if err != nil {
		return nil, s.locate(obj, err)
	}
	asJSON, err := yaml.YAMLToJSON([]byte(expanded))
	if err != nil {
		return nil, &Error{Op: "substitute", Ref: describe(obj), Err: fmt.Errorf("%w: %s", ErrNotYAML, lineOnly(err))}
	}
	out := &unstructured.Unstructured{}
	if err := out.UnmarshalJSON(asJSON); err != nil {
		return nil, &Error{Op: "substitute", Ref: describe(obj), Err: fmt.Errorf("%w: no Kubernetes object is left", ErrNotYAML)}
	}
	return out, nil
}

// lineOnly keeps what a YAML error says about the syntax and drops what it
// quotes from the text, which may hold a secret value.
func lineOnly(err error) string {
	msg := err.Error()
	if i := strings.IndexAny(msg, "`\"'"); i >= 0 {
		msg = strings.TrimRight(msg[:i], " ")
	}
	return msg
}

// locate turns an error in the YAML of an object into one in its field.
func (s Substitution) locate(obj *unstructured.Unstructured, err error) error {
	var whole *Error
	if !errors.As(err, &whole) {
		return err
	}
	o := Options{AllowUndefined: s.AllowUndefined, MaxOutput: s.MaxOutput}
	found := *whole
	found.Line, found.Column = 0, 0
	walkStrings(obj.Object, "", func(field, text string) bool {
		var e *Error
		if _, err := Expand(text, Map(s.Variables), o); !errors.As(err, &e) {
			return true
		}
		found, found.Field = *e, field
		return false
	})
	found.Op, found.Ref = "substitute", describe(obj)
	return &found
}

// walkStrings visits keys and string values in the order of keys until visit
// returns false.
func walkStrings(v any, field string, visit func(field, text string) bool) bool {
	switch v := v.(type) {
	case string:
		return visit(field, v)
	case []any:
		for i, child := range v {
			if !walkStrings(child, fmt.Sprintf("%s[%d]", field, i), visit) {
				return false
			}
		}
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			name := k
			if field != "" {
				name = field + "." + k
			}
			if !visit(name, k) || !walkStrings(v[k], name, visit) {
				return false
			}
		}
	}
	return true
}

func describe(obj *unstructured.Unstructured) string {
	name := obj.GetName()
	if ns := obj.GetNamespace(); ns != "" {
		name = ns + "/" + name
	}
	return strings.TrimSpace(obj.GetKind() + " " + name)
}
