package kustomize

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// convert makes objects of the library's result; size is about that of their
// JSON.
func convert(m resmap.ResMap) (objects []*unstructured.Unstructured, size int64, err error) {
	objects = make([]*unstructured.Unstructured, 0, m.Size())
	for _, r := range m.Resources() {
		c := converter{}
		v, err := c.value(r.YNode())
		obj, isMap := v.(map[string]any)
		if err != nil || !isMap {
			obj, err = throughText(r)
		}
		if err != nil {
			return nil, 0, &Error{Op: "convert", Err: fmt.Errorf("%w: %s: %w", ErrInvalid, r.CurId(), err)}
		}
		size += c.size
		objects = append(objects, &unstructured.Unstructured{Object: obj})
	}
	return objects, size, nil
}

// throughText is the way that the library itself goes: to YAML text, to JSON, to
// an object. It is slow, and it knows what is an error.
func throughText(r *resource.Resource) (map[string]any, error) {
	data, err := r.MarshalJSON()
	if err != nil {
		return nil, err
	}
	obj := &unstructured.Unstructured{}
	if err := obj.UnmarshalJSON(data); err != nil {
		return nil, err
	}
	return obj.Object, nil
}

var errOdd = errors.New("not for the short way")

// converter makes values of nodes as throughText does, or gives up with errOdd.
type converter struct{ size int64 }

func (c *converter) value(n *yaml.Node) (any, error) {
	switch n.Kind {
	case yaml.MappingNode:
		return c.mapping(n)
	case yaml.SequenceNode:
		out := make([]any, 0, len(n.Content))
		for _, child := range n.Content {
			v, err := c.value(child)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	case yaml.ScalarNode:
		return c.scalar(n)
	}
	return nil, errOdd
}

func (c *converter) mapping(n *yaml.Node) (any, error) {
	out := make(map[string]any, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode || key.ShortTag() != yaml.NodeTagString {
			return nil, errOdd
		}
		if _, twice := out[key.Value]; twice {
			return nil, errOdd
		}
		v, err := c.value(n.Content[i+1])
		if err != nil {
			return nil, err
		}
		out[key.Value] = v
		c.size += int64(len(key.Value)) + 4
	}
	return out, nil
}

func (c *converter) scalar(n *yaml.Node) (any, error) {
	c.size += int64(len(n.Value)) + 2
	switch n.ShortTag() {
	case yaml.NodeTagString:
		return n.Value, nil
	case yaml.NodeTagNull:
		return nil, nil
	}
	var v any
	if err := n.Decode(&v); err != nil {
		return nil, errOdd
	}
	switch v := v.(type) {
	case nil, bool, string:
		return v, nil
	case int:
		return int64(v), nil
	case int64:
		return v, nil
	case float64:
		return number(v)
	case time.Time:
		text, err := json.Marshal(v)
		if err != nil {
			return nil, errOdd
		}
		return string(text[1 : len(text)-1]), nil
	}
	return nil, errOdd
}

// number is a float as it comes out of JSON: a whole one is an integer.
func number(f float64) (any, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, errOdd
	}
	text, err := json.Marshal(f)
	if err != nil {
		return nil, errOdd
	}
	if i, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		return i, nil
	}
	return f, nil
}
