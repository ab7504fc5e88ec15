package ssa

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitopskit/gitopskit/internal/printable"
)

// A Change is one field that an update changes. Old is nil where the field is
// added, New where it is removed.
type Change struct {
	Path     string // such as spec.template.spec.containers[name=web].image
	Old, New any
}

// masked stands for values of Secrets.
const masked = "***"

// String returns the change as path: old → new, on one line that can be shown at
// a terminal. Long values are cut.
func (c Change) String() string {
	path := printable.Line(c.Path)
	switch {
	case c.Old == nil:
		return fmt.Sprintf("%s: added %s", path, short(c.New))
	case c.New == nil:
		return fmt.Sprintf("%s: removed %s", path, short(c.Old))
	}
	return fmt.Sprintf("%s: %s → %s", path, short(c.Old), short(c.New))
}

func short(v any) string {
	s, ok := v.(string)
	if !ok {
		data, err := json.Marshal(v)
		if err != nil {
			return fmt.Sprint(v)
		}
		s = string(data)
	}
	const most = 80
	end := ""
	if r := []rune(s); len(r) > most {
		s, end = string(r[:most]), "…"
	}
	return printable.Line(strings.ReplaceAll(s, "\n", "⏎")) + end
}

// Diff returns the fields in which live and merged differ, ordered by path.
// Metadata that the API server keeps for itself and the status are left out,
// list items are matched by name, key or port where they have one, and the
// values of Secrets and of kubectl's last-applied annotation are masked.
func Diff(live, merged *unstructured.Unstructured) []Change {
	d := differ{secret: live.GetKind() == "Secret" && live.GroupVersionKind().Group == ""}
	d.maps("", withoutServerFields(live.Object), withoutServerFields(merged.Object))
	return d.changes
}

// withoutServerFields returns an object without what no apply is about.
func withoutServerFields(obj map[string]any) map[string]any {
	out := maps.Clone(obj)
	delete(out, "status")
	if meta, ok := obj["metadata"].(map[string]any); ok {
		meta = maps.Clone(meta)
		for _, f := range serverFields {
			delete(meta, f)
		}
		out["metadata"] = meta
	}
	return out
}

type differ struct {
	secret  bool
	changes []Change
}

func (d *differ) values(path string, a, b any) {
	switch x := a.(type) {
	case map[string]any:
		if y, ok := b.(map[string]any); ok {
			d.maps(path, x, y)
			return
		}
	case []any:
		if y, ok := b.([]any); ok {
			d.lists(path, x, y)
			return
		}
	}
	if !reflect.DeepEqual(a, b) {
		d.add(path, a, b)
	}
}

func (d *differ) add(path string, a, b any) {
	if d.secret && (within(path, "data") || within(path, "stringData")) || strings.HasSuffix(path, "["+lastApplied+"]") {
		a, b = mask(a), mask(b)
	}
	d.changes = append(d.changes, Change{Path: path, Old: a, New: b})
}

// within reports whether a path is a field of an object, or leads into it.
func within(path, field string) bool {
	rest, ok := strings.CutPrefix(path, field)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

func mask(v any) any {
	if v == nil {
		return nil
	}
	return masked
}

func (d *differ) maps(path string, a, b map[string]any) {
	keys := map[string]bool{}
	for k := range a {
		keys[k] = true
	}
	for k := range b {
		keys[k] = true
	}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		d.values(join(path, k), a[k], b[k])
	}
}

func join(path, key string) string {
	switch {
	case strings.ContainsAny(key, "./"):
		return path + "[" + key + "]"
	case path == "":
		return key
	}
	return path + "." + key
}

// listKeys are the fields by which items of lists are told apart, best first.
var listKeys = []string{"name", "key", "containerPort", "port", "mountPath", "ip", "type"}

func (d *differ) lists(path string, a, b []any) {
	for _, key := range listKeys {
		x, okA := itemsBy(key, a)
		y, okB := itemsBy(key, b)
		if okA && okB {
			d.items(path, key, x, y)
			return
		}
	}
	for i := range max(len(a), len(b)) {
		var x, y any
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		d.values(fmt.Sprintf("%s[%d]", path, i), x, y)
	}
}

func (d *differ) items(path, key string, a, b map[string]any) {
	names := map[string]bool{}
	for n := range a {
		names[n] = true
	}
	for n := range b {
		names[n] = true
	}
	for _, n := range slices.Sorted(maps.Keys(names)) {
		d.values(fmt.Sprintf("%s[%s=%s]", path, key, n), a[n], b[n])
	}
}

// itemsBy indexes a list by a field that all its items have, each with another
// value.
func itemsBy(key string, list []any) (map[string]any, bool) {
	out := make(map[string]any, len(list))
	for _, item := range list {
		m, ok := item.(map[string]any)
		if !ok || m[key] == nil {
			return nil, false
		}
		out[fmt.Sprint(m[key])] = item
	}
	return out, len(out) == len(list) && len(list) > 0
}
