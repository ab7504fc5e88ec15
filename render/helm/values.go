package helm

import (
	"errors"
	"fmt"

	"helm.sh/helm/v3/pkg/strvals"
	"sigs.k8s.io/yaml"
)

// ValuesSource is one source of values, as in a HelmRelease's valuesFrom.
type ValuesSource struct {
	// Name says in errors where the values come from, for instance
	// "ConfigMap default/settings values.yaml".
	Name string
	// Data is YAML or JSON; with TargetPath, one value.
	Data []byte
	// TargetPath puts Data there instead of merging it, in the syntax of Helm's
	// --set: "a.b[0]", in which a comma of Data starts another assignment unless a
	// backslash is before it. A value in quotes stays text, others become numbers,
	// booleans or null where they look like them.
	// It wins over all values that are merged.
	TargetPath string
	// Missing says that the source is not there: the composition fails, unless
	// it is Optional.
	Missing, Optional bool
}

// ComposeValues merges sources in order, then inline, then those with a
// TargetPath. What is later wins; mappings are merged, lists replaced. inline is
// not changed.
func ComposeValues(sources []ValuesSource, inline map[string]any) (map[string]any, error) {
	out := map[string]any{}
	var targeted []ValuesSource
	var errs []error
	for _, s := range sources {
		switch {
		case s.Missing && s.Optional:
		case s.Missing:
			errs = append(errs, valuesError(s, errors.New("not found")))
		case s.TargetPath != "":
			targeted = append(targeted, s)
		default:
			var v map[string]any
			if err := yaml.Unmarshal(s.Data, &v); err != nil {
				// The message of the parser quotes the data, which may be secret.
				errs = append(errs, valuesError(s, errors.New("want a YAML mapping")))
				continue
			}
			out = mergeValues(out, v)
		}
	}
	out = mergeValues(out, inline)
	for _, s := range targeted {
		if err := setPath(out, s); err != nil {
			errs = append(errs, valuesError(s, fmt.Errorf("can't be set at %s", s.TargetPath)))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return out, nil
}

func valuesError(s ValuesSource, err error) error {
	return &Error{Op: "values", Ref: s.Name, Err: fmt.Errorf("%w: %w", ErrValues, err)}
}

// setPath sets one value with Helm's parser. Quotes around the whole value make
// it text.
func setPath(values map[string]any, s ValuesSource) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrValues, p)
		}
	}()
	v := string(s.Data)
	if n := len(v); n >= 2 && v[0] == v[n-1] && (v[0] == '\'' || v[0] == '"') {
		return strvals.ParseIntoString(s.TargetPath+"="+v[1:n-1], values)
	}
	return strvals.ParseInto(s.TargetPath+"="+v, values)
}

// mergeValues returns base with over's values: mappings merged, all else
// replaced. Neither is changed.
func mergeValues(base, over map[string]any) map[string]any {
	out := make(map[string]any, len(base)+len(over))
	for k, v := range base {
		out[k] = v
	}
	for k, v := range over {
		if next, ok := v.(map[string]any); ok {
			if have, ok := out[k].(map[string]any); ok {
				out[k] = mergeValues(have, next)
				continue
			}
		}
		out[k] = copyValue(v)
	}
	return out
}
