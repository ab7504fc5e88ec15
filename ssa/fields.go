package ssa

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A step leads from a value to one within it: to what a map has under a key, or
// to an item of a list.
type step struct {
	key    string
	item   any // the item as the desired object has it, by which its like is found elsewhere
	index  int
	inList bool
}

// A fieldPath is a field of an object.
type fieldPath []step

// String returns the path in the form that changes have.
func (p fieldPath) String() string {
	out := ""
	for _, s := range p {
		if s.inList {
			out += s.label()
		} else {
			out = join(out, s.key)
		}
	}
	return out
}

func (s step) label() string {
	m, _ := s.item.(map[string]any)
	for _, key := range listKeys {
		if v, ok := m[key]; ok {
			return fmt.Sprintf("[%s=%v]", key, v)
		}
	}
	return fmt.Sprintf("[%d]", s.index)
}

// in returns what s leads to in v.
func (s step) in(v any) (any, bool) {
	if !s.inList {
		m, _ := v.(map[string]any)
		child, ok := m[s.key]
		return child, ok
	}
	list, _ := v.([]any)
	if i := s.find(list); i >= 0 {
		return list[i], true
	}
	return nil, false
}

// find returns the index of the item of a list that has the same name, or key,
// or port as the step's, else the one at the same index, else -1.
func (s step) find(list []any) int {
	want, _ := s.item.(map[string]any)
	for _, key := range listKeys {
		if want[key] == nil {
			continue
		}
		return slices.IndexFunc(list, func(item any) bool {
			m, _ := item.(map[string]any)
			return reflect.DeepEqual(m[key], want[key]) && (key == "name" || protocol(m) == protocol(want))
		})
	}
	if s.index < len(list) {
		return s.index
	}
	return -1
}

// protocol returns the protocol of a port, by default the one that the API server
// gives it. Ports of both may have one number.
func protocol(port map[string]any) any {
	if p, ok := port["protocol"]; ok {
		return p
	}
	return "TCP"
}

// lookUp returns the value of a field.
func lookUp(v any, p fieldPath) (any, bool) {
	for _, s := range p {
		child, ok := s.in(v)
		if !ok {
			return nil, false
		}
		v = child
	}
	return v, true
}

// with returns v with another value for a field that it has; what is not
// changed is shared. Without a value the field is left out.
func with(v any, p fieldPath, value any, keep bool) any {
	if len(p) == 0 {
		return value
	}
	switch v := v.(type) {
	case map[string]any:
		child, ok := v[p[0].key]
		if !ok || p[0].inList {
			return v
		}
		out := maps.Clone(v)
		if len(p) == 1 && !keep {
			delete(out, p[0].key)
		} else {
			out[p[0].key] = with(child, p[1:], value, keep)
		}
		return out
	case []any:
		i := p[0].find(v)
		if i < 0 || !p[0].inList {
			return v
		}
		if len(p) == 1 && !keep {
			return slices.Delete(slices.Clone(v), i, i+1)
		}
		out := slices.Clone(v)
		out[i] = with(out[i], p[1:], value, keep)
		return out
	}
	return v
}

func without(obj map[string]any, p fieldPath) map[string]any {
	out, _ := with(obj, p, nil, false).(map[string]any)
	return out
}

// owned is a tree of the fields that a manager owns, as managedFields has them:
// f:name for a map's key, k:{…} for a list's item by its keys, v:… for an item
// by its value, "." for the thing itself. A field without children is owned
// whole.
type owned map[string]any

// readOwned returns the fields of an entry; nil where it can't be read.
func readOwned(e metav1.ManagedFieldsEntry) owned {
	if e.FieldsV1 == nil {
		return nil
	}
	var out owned
	if json.Unmarshal([]byte(e.FieldsV1.GetRawString()), &out) != nil {
		return nil
	}
	return out
}

// has reports whether a field, something within it, or something that it is
// within as a whole, is owned.
func (o owned) has(p fieldPath) bool {
	node := map[string]any(o)
	for _, s := range p {
		child, ok := s.ownedIn(node)
		if !ok {
			return false
		}
		if isLeaf(child) {
			return true
		}
		node = child
	}
	return true
}

func isLeaf(node map[string]any) bool { return len(node) == 0 }

func (s step) ownedIn(node map[string]any) (map[string]any, bool) {
	if !s.inList {
		child, ok := node["f:"+s.key].(map[string]any)
		return child, ok
	}
	for name, child := range node {
		if itemMatches(name, s.item) {
			m, ok := child.(map[string]any)
			return m, ok
		}
	}
	return nil, false
}

// itemMatches reports whether a name in managedFields is that of a list's item.
// A key that the item does not have may have been given by default, as the
// protocol of a port is.
func itemMatches(name string, item any) bool {
	if value, ok := strings.CutPrefix(name, "v:"); ok {
		var v any
		return json.Unmarshal([]byte(value), &v) == nil && fmt.Sprint(v) == fmt.Sprint(item)
	}
	text, ok := strings.CutPrefix(name, "k:")
	m, isMap := item.(map[string]any)
	if !ok || !isMap {
		return false
	}
	var keys map[string]any
	if json.Unmarshal([]byte(text), &keys) != nil {
		return false
	}
	matched := 0
	for k, want := range keys {
		got, there := m[k]
		if k == "protocol" {
			got, there = protocol(m), true
		}
		if there && fmt.Sprint(got) != fmt.Sprint(want) {
			return false
		}
		if there && k != "protocol" {
			matched++
		}
	}
	return matched > 0
}

// contested returns the fields in which a desired object differs from the live
// one although another manager owns them.
func contested(tree owned, desired, live any, head fieldPath) []fieldPath {
	if isLeaf(tree) {
		if len(head) == 0 || equalValues(desired, live) {
			return nil
		}
		return []fieldPath{slices.Clone(head)}
	}
	var out []fieldPath
	for name, child := range tree {
		s, ok := stepTo(name, desired)
		if !ok {
			continue
		}
		want, _ := s.in(desired)
		have, _ := s.in(live)
		sub, _ := child.(map[string]any)
		if strings.HasPrefix(name, "v:") {
			continue // an item of a set: having it too is no conflict
		}
		out = append(out, contested(sub, want, have, append(head, s))...)
	}
	slices.SortFunc(out, func(a, b fieldPath) int { return strings.Compare(a.String(), b.String()) })
	return out
}

// stepTo returns the step that a name in managedFields stands for, if v has
// what it leads to.
func stepTo(name string, v any) (step, bool) {
	if key, ok := strings.CutPrefix(name, "f:"); ok {
		m, _ := v.(map[string]any)
		_, there := m[key]
		return step{key: key}, there
	}
	list, _ := v.([]any)
	for i, item := range list {
		if itemMatches(name, item) {
			return step{item: item, index: i, inList: true}, true
		}
	}
	return step{}, false
}

func equalValues(a, b any) bool {
	return reflect.DeepEqual(a, b) || fmt.Sprint(a) == fmt.Sprint(b)
}

// ownersOf returns what each manager but us owns in an object, leaving out the
// status and the managers whose fields are to be taken over.
func (a *Applier) ownersOf(live *unstructured.Unstructured) (others map[string][]owned, own owned) {
	others = map[string][]owned{}
	for _, e := range live.GetManagedFields() {
		switch {
		case a.isOwn(e):
			own = readOwned(e)
		case e.Subresource == "status":
		case e.Subresource == "" && a.takesOver(e):
		default:
			others[e.Manager] = append(others[e.Manager], readOwned(e))
		}
	}
	return others, own
}
