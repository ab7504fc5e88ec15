package ssa

import (
	"encoding/json"
	"maps"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitopskit/gitopskit/inventory"
)

// A target is an object's place in the API.
type target struct {
	ref inventory.Ref
	resource
	version string
}

// namespace is the namespace for requests: none for cluster-scoped objects.
func (t target) namespace() string {
	if t.namespaced {
		return t.ref.Namespace
	}
	return ""
}

// path is the URL path of the object, in segments.
func (t target) path() []string {
	p := []string{"apis", t.gvr.Group, t.gvr.Version}
	if t.gvr.Group == "" {
		p = []string{"api", t.gvr.Version}
	}
	if t.namespaced {
		p = append(p, "namespaces", t.ref.Namespace)
	}
	return append(p, t.gvr.Resource, t.ref.Name)
}

// An object is one desired object on its way through an apply.
type object struct {
	target
	index   int            // its place among the objects given
	desired map[string]any // what is sent; shared with the caller's object where it was not changed
	digest  digest
	marks   marks
	origin  string
	unknown error       // why the kind has no resource yet; nil if it has
	ignored []fieldPath // left to others once the object is there

	// what the plan found out
	live      *liveMeta // nil: not there
	action    Action
	sure      bool      // action is what will be, and not only what may have to be done
	leaving   types.UID // what has to be gone before this can be created; "" for nothing
	oldFields error     // why its managedFields have to be mended before it can be applied; nil if not
	diff      []Change
	taken     []FieldOwner
	began     time.Time // of its writing; zero before
	written   bool      // in this Apply

	// what it looks like when it leaves something to others
	payload map[string]any // what is sent to change the live object; nil: desired
	pin     string         // the resource version that payload was made for, where that matters
	forced  bool           // payload leaves out all that is contested
	yielded []FieldOwner

	// what it waits for
	after []*object
	ready []inventory.Ref // by its annotation, to be ready and not just there; also outside the set
}

func (o *object) gvk() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: o.ref.Group, Version: o.version, Kind: o.ref.Kind}
}

// undefined reports whether the cluster does not serve the object's kind yet.
func (o *object) undefined() bool { return o.unknown != nil }

// settled reports whether it is known that there is nothing to write.
func (o *object) settled() bool { return o.action == Unchanged || o.action == Skip }

// body returns what is sent.
func (o *object) body(dryRun bool) ([]byte, error) {
	switch {
	case o.payload == nil || o.action == Recreate:
		return json.Marshal(o.desired)
	case o.pin == "" || dryRun:
		return json.Marshal(o.payload)
	}
	path := fieldPath{{key: "metadata"}}
	meta, _ := o.payload["metadata"].(map[string]any)
	meta = maps.Clone(meta)
	meta["resourceVersion"] = o.pin
	return json.Marshal(with(o.payload, path, meta, true))
}

func (o *object) entry() inventory.Entry {
	e := inventory.Entry{Ref: o.ref, Version: o.version}
	if o.live != nil {
		e.UID = o.live.uid
	}
	return e
}

// at returns the value at the end of path in v, or nil.
func at(v any, path ...string) any {
	for _, p := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[p]
	}
	return v
}

// text returns the string at the end of path in v, or "".
func text(v any, path ...string) string {
	s, _ := at(v, path...).(string)
	return s
}

// list returns the list at the end of path in v, or nil.
func list(v any, path ...string) []any {
	l, _ := at(v, path...).([]any)
	return l
}
