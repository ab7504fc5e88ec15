package release

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/gitopskit/gitopskit/internal/textdiff"
)

// Plan is what a reconciliation would do.
type Plan struct {
	// State and Decision are those of now.
	State    State
	Decision Decision
	// Changes are the objects that an install or upgrade would touch.
	Changes []Change
	// Hooks would run, in order, as "event Kind name".
	Hooks []string
}

// Change is one object.
type Change struct {
	// Verb: create, update or delete.
	Verb                  string
	Kind, Namespace, Name string
	// Diff is the difference as a unified diff of YAML. Values of Secrets are
	// replaced by their digests.
	Diff string
}

// Plan tells what Reconcile would do first, without changing anything.
func (m *Machine) Plan(ctx context.Context, s Spec, r Record) (*Plan, error) {
	s, err := s.withDefaults()
	if err != nil {
		return nil, err
	}
	if s.Chart == nil {
		return nil, specError(s, "set Spec.Chart")
	}
	op, err := m.operation(ctx, s)
	if err != nil {
		return nil, m.fail("plan", s, nil, err)
	}
	rec := r.clone()
	rec.reset(s)
	p := &Plan{}
	if p.State, err = m.observe(ctx, op, s, rec); err != nil {
		return nil, err
	}
	if p.Decision, err = decide(p.State, s, rec); err != nil {
		return p, m.fail("plan", s, nil, err)
	}
	if p.Decision.Action != ActionInstall && p.Decision.Action != ActionUpgrade {
		return p, nil
	}
	if err := m.planChart(ctx, op, s, p); err != nil {
		return p, m.fail("plan", s, nil, err)
	}
	return p, nil
}

func (m *Machine) planChart(ctx context.Context, op *operation, s Spec, p *Plan) error {
	upgrade := p.Decision.Action == ActionUpgrade
	skip := s.Install.DisableSchema
	if upgrade {
		skip = s.Upgrade.DisableSchema
	}
	out, err := m.preflight(ctx, op, s, upgrade, p.State.Version+1, skip)
	if err != nil {
		return err
	}
	var have []*unstructured.Unstructured
	if upgrade && p.State.release != nil {
		if have, err = readManifest(p.State.release.Manifest); err != nil {
			return err
		}
	}
	want, err := out.Objects()
	if err != nil {
		return err
	}
	if p.Changes, err = changes(have, want); err != nil {
		return err
	}
	for _, event := range map[bool][]string{true: {"pre-upgrade", "post-upgrade"}, false: {"pre-install", "post-install"}}[upgrade] {
		for _, h := range out.Hooks {
			if slices.Contains(h.Events, event) {
				p.Hooks = append(p.Hooks, fmt.Sprintf("%s %s %s", event, h.Object.GetKind(), h.Object.GetName()))
			}
		}
	}
	return nil
}

type objectKey struct{ apiVersion, kind, namespace, name string }

func keyOf(o *unstructured.Unstructured) objectKey {
	return objectKey{o.GetAPIVersion(), o.GetKind(), o.GetNamespace(), o.GetName()}
}

// changes compares two sets of objects.
func changes(have, want []*unstructured.Unstructured) ([]Change, error) {
	old := map[objectKey]*unstructured.Unstructured{}
	for _, o := range have {
		old[keyOf(o)] = o
	}
	var out []Change
	add := func(verb string, from, to *unstructured.Unstructured) error {
		o := to
		if o == nil {
			o = from
		}
		a, err := planText(from)
		if err != nil {
			return err
		}
		b, err := planText(to)
		if err != nil || a == b {
			return err
		}
		out = append(out, Change{verb, o.GetKind(), o.GetNamespace(), o.GetName(), textdiff.Unified(a, b)})
		return nil
	}
	for _, o := range want {
		before, ok := old[keyOf(o)]
		verb := "update"
		if !ok {
			verb = "create"
		}
		if err := add(verb, before, o); err != nil {
			return nil, err
		}
		delete(old, keyOf(o))
	}
	for _, o := range have {
		if _, left := old[keyOf(o)]; left {
			if err := add("delete", o, nil); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// planText is an object as YAML, without the values of a Secret.
func planText(o *unstructured.Unstructured) (string, error) {
	if o == nil {
		return "", nil
	}
	c := o
	if o.GetKind() == "Secret" {
		c = o.DeepCopy()
		for _, field := range []string{"data", "stringData"} {
			values, _, _ := unstructured.NestedMap(c.Object, field)
			for k, v := range values {
				values[k] = digest([]byte(fmt.Sprint(v)))
			}
			if values != nil {
				c.Object[field] = values
			}
		}
	}
	data, err := yaml.Marshal(c.Object)
	return string(data), err
}
