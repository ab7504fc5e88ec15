package helmrepo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"sigs.k8s.io/yaml"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/archive"
)

// values merges the values files. Nil means that values.yaml stays.
func (b builder) values(fsys fs.FS) ([]byte, error) {
	var merged map[string]any
	for _, name := range b.opts.ValuesFiles {
		at := path.Clean(name)
		if err := archive.CheckPath(at); err != nil {
			return nil, fmt.Errorf("values file: %w", err)
		}
		data, err := readFile(fsys, at)
		if errors.Is(err, source.ErrNotFound) && b.opts.IgnoreMissingValuesFiles {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("values file %s: %w", name, err)
		}
		// As Helm reads values, but for numbers, which keep their digits.
		values := map[string]any{}
		err = yaml.Unmarshal(data, &values, func(d *json.Decoder) *json.Decoder {
			d.UseNumber()
			return d
		})
		if err != nil {
			return nil, fmt.Errorf("%w: values file %s: %w", source.ErrCorrupt, name, err)
		}
		if merged == nil {
			merged = map[string]any{}
		}
		mergeInto(merged, values)
	}
	if merged == nil {
		return nil, nil
	}
	return yaml.Marshal(merged)
}

// mergeInto puts the values of over into under; mappings are merged, all else is
// replaced.
func mergeInto(under, over map[string]any) {
	for k, v := range over {
		inner, ok := v.(map[string]any)
		old, same := under[k].(map[string]any)
		if ok && same {
			mergeInto(old, inner)
			continue
		}
		under[k] = v
	}
}
