package ssa

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitopskit/gitopskit/inventory"
)

// prepare reads the objects given: what is to be sent for each, and where. It
// returns the objects that can be used, and a result for each of all, with an
// error in those that can't. An object's index is that of its result.
func (a *Applier) prepare(ctx context.Context, in []*unstructured.Unstructured, opts *ApplyOptions, ignore []ignoreRule) ([]*object, []ObjectResult) {
	p := preparer{a: a, opts: opts, h: newHasher(), ignore: ignore,
		seen:    make(map[inventory.Ref]*object, len(in)),
		out:     make([]*object, 0, len(in)),
		results: make([]ObjectResult, 0, len(in)),
	}
	flat := flatten(in, p.fail)
	p.defined = definedKinds(flat)
	for _, u := range flat {
		p.add(ctx, u)
	}
	return p.out, p.results
}

type preparer struct {
	a       *Applier
	opts    *ApplyOptions
	ignore  []ignoreRule
	defined map[schema.GroupVersionKind]resource
	seen    map[inventory.Ref]*object
	h       *hasher
	out     []*object
	results []ObjectResult
}

func (p *preparer) add(ctx context.Context, u *unstructured.Unstructured) {
	o, err := p.object(ctx, u)
	if err != nil && ctx.Err() != nil {
		p.results = append(p.results, ObjectResult{Ref: inventory.RefOf(u), Version: u.GroupVersionKind().Version, Action: None})
		return
	}
	if err != nil {
		p.fail(inventory.RefOf(u), p.origin(u), err)
		return
	}
	if twin, ok := p.seen[o.ref]; ok {
		if twin.digest == o.digest {
			return
		}
		where := ""
		if twin.origin != "" {
			where = " in " + twin.origin
		}
		p.fail(o.ref, o.origin, fmt.Errorf("%w: the set has this object twice, with different content; the other one is%s", ErrInvalid, orElse(where, " earlier in the set")))
		return
	}
	p.seen[o.ref] = o
	p.out = append(p.out, o)
	p.results = append(p.results, ObjectResult{Ref: o.ref, Version: o.version, Action: None})
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func (p *preparer) fail(ref inventory.Ref, origin string, err error) {
	p.results = append(p.results, ObjectResult{
		Ref: ref, Action: None, Err: &Error{Op: "prepare", Ref: ref, Origin: origin, Err: err},
	})
}

func (p *preparer) origin(u *unstructured.Unstructured) string {
	if p.opts.Origin == nil {
		return ""
	}
	return p.opts.Origin(u)
}

func (p *preparer) object(ctx context.Context, u *unstructured.Unstructured) (*object, error) {
	if err := checkIdentity(u); err != nil {
		return nil, err
	}
	gvk := u.GroupVersionKind()
	o := &object{
		target:  target{ref: inventory.RefOf(u), version: gvk.Version},
		index:   len(p.results),
		marks:   p.a.readMarks(u),
		origin:  p.origin(u),
		desired: u.Object,
	}
	if err := p.place(ctx, o, gvk); err != nil {
		return nil, err
	}
	if err := p.clean(o); err != nil {
		return nil, err
	}
	o.ignored = ignoredPaths(p.ignore, o)
	o.digest = p.digest(o)
	return o, nil
}

// digest names the content that the set asks for, ignored fields left out.
func (p *preparer) digest(o *object) digest {
	content := o.desired
	for _, path := range o.ignored {
		content = without(content, path)
		p.h.str(path.String())
	}
	if p.opts.Conflicts != "" && p.opts.Conflicts != Take {
		p.h.str(string(p.opts.Conflicts))
	}
	p.h.object(content)
	return p.h.sum()
}

func checkIdentity(u *unstructured.Unstructured) error {
	switch {
	case u.GetKind() == "":
		return fmt.Errorf("%w: kind is missing", ErrInvalid)
	case u.GetAPIVersion() == "":
		return fmt.Errorf("%w: apiVersion is missing", ErrInvalid)
	case u.GetName() == "" && u.GetGenerateName() != "":
		return fmt.Errorf("%w: metadata.generateName can't be applied: it would make a new object each time; set metadata.name", ErrInvalid)
	case u.GetName() == "":
		return fmt.Errorf("%w: metadata.name is missing", ErrInvalid)
	}
	return nil
}

// place finds out where the API keeps objects of this kind, and in which
// namespace this one belongs.
func (p *preparer) place(ctx context.Context, o *object, gvk schema.GroupVersionKind) error {
	r, err := p.a.kinds.resource(ctx, gvk)
	if errors.Is(err, ErrUnknownKind) {
		if defined, ok := p.defined[gvk]; ok {
			r, o.unknown, err = defined, err, nil
		}
	}
	if err != nil {
		return err
	}
	o.resource = r
	switch {
	case !r.namespaced:
		o.ref.Namespace = ""
	case o.ref.Namespace == "" && p.opts.DefaultNamespace == "":
		return fmt.Errorf("%w: metadata.namespace is missing, and %s is a namespaced kind", ErrInvalid, gvk.Kind)
	case o.ref.Namespace == "":
		o.ref.Namespace = p.opts.DefaultNamespace
	}
	return nil
}

// serverFields are set by the API server and have no place in what is applied.
var serverFields = []string{"managedFields", "creationTimestamp", "resourceVersion", "uid", "generation", "selfLink", "deletionTimestamp"}

// clean makes o.desired what is to be sent. The caller's object is not
// changed: what has to differ is copied first, and nothing else.
func (p *preparer) clean(o *object) error {
	meta, _ := o.desired["metadata"].(map[string]any)
	clean := maps.Clone(meta)
	for _, f := range serverFields {
		delete(clean, f)
	}
	if o.ref.Namespace == "" {
		delete(clean, "namespace")
	} else {
		clean["namespace"] = o.ref.Namespace
	}
	if err := addLabels(clean, p.opts.OwnerLabels); err != nil {
		return err
	}
	o.desired = maps.Clone(o.desired)
	o.desired["metadata"] = clean
	switch {
	case o.ref.Group == "apiextensions.k8s.io":
		delete(o.desired, "status")
	case o.ref.Kind == "ClusterRole" && o.desired["aggregationRule"] != nil:
		delete(o.desired, "rules") // a controller adds them up
	case o.ref.Group == "" && o.ref.Kind == "Secret":
		return encodeSecret(o.desired)
	}
	return nil
}

func addLabels(metadata map[string]any, add map[string]string) error {
	if len(add) == 0 {
		return nil
	}
	var labels map[string]any
	switch l := metadata["labels"].(type) {
	case nil:
		labels = make(map[string]any, len(add))
	case map[string]any:
		labels = maps.Clone(l)
	default:
		return fmt.Errorf("%w: metadata.labels is not a map", ErrInvalid)
	}
	for k, v := range add {
		labels[k] = v
	}
	metadata["labels"] = labels
	return nil
}

// encodeSecret moves stringData into data, as the API server does when it
// stores the Secret. Sent as stringData, a key that is later removed from the
// set would stay in the cluster. Errors do not show values.
func encodeSecret(secret map[string]any) error {
	data, err := mapAt(secret, "data")
	if err != nil {
		return err
	}
	for k, v := range data {
		s, ok := v.(string)
		if _, err := base64.StdEncoding.DecodeString(s); v != nil && (!ok || err != nil) {
			return fmt.Errorf("%w: data.%s is not base64; use stringData for plain text", ErrInvalid, k)
		}
	}
	plain, err := mapAt(secret, "stringData")
	if err != nil || plain == nil {
		return err
	}
	data = maps.Clone(data)
	if data == nil {
		data = make(map[string]any, len(plain))
	}
	for k, v := range plain {
		s, ok := v.(string)
		if !ok {
			return fmt.Errorf("%w: stringData.%s is not a string; quote it", ErrInvalid, k)
		}
		data[k] = base64.StdEncoding.EncodeToString([]byte(s))
	}
	delete(secret, "stringData")
	secret["data"] = data
	return nil
}

func mapAt(obj map[string]any, key string) (map[string]any, error) {
	switch m := obj[key].(type) {
	case nil:
		return nil, nil
	case map[string]any:
		return m, nil
	}
	return nil, fmt.Errorf("%w: %s is not a map", ErrInvalid, key)
}
