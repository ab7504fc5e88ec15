package inventory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var definitions = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

func joinSorted(set map[string]bool) string {
	return strings.Join(slices.Sorted(maps.Keys(set)), ",")
}

func parseList(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

func parseKinds(s string) []schema.GroupKind {
	var out []schema.GroupKind
	for _, part := range parseList(s) {
		out = append(out, schema.ParseGroupKind(part))
	}
	return out
}

// findParent finds where the parent is, and that its kind may be a parent.
func (s *ApplySet) findParent(ctx context.Context) error {
	if s.parent.gvr.Resource != "" {
		return nil
	}
	m, err := s.mapper.RESTMapping(s.opts.Parent.GroupKind(), s.opts.Parent.Version)
	if err != nil {
		return err
	}
	if !builtinParent(s.opts.Parent) {
		name := m.Resource.GroupResource().String()
		crd, err := s.client.Resource(definitions).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("the definition of the parent's kind: %w", err)
		}
		if _, ok := crd.Labels[applySetParentType]; !ok {
			return fmt.Errorf("the CustomResourceDefinition %s lacks the label %s", name, applySetParentType)
		}
	}
	s.parent = targetOf(m)
	return nil
}

func targetOf(m *meta.RESTMapping) target {
	return target{gvk: m.GroupVersionKind, gvr: m.Resource, namespaced: m.Scope.Name() == meta.RESTScopeNameNamespace}
}

var errUnanswered = errors.New("the cluster has the API group, and does not say which kinds it serves")

// find finds the resource of a kind. One that discovery does not list is gone
// only if its group is, or if all versions of that say so: an API that is
// unavailable at the moment must not make members be forgotten.
func (s *ApplySet) find(gk schema.GroupKind) (t target, there bool, err error) {
	m, err := s.mapper.RESTMapping(gk)
	if meta.IsNoMatchError(err) {
		if r, ok := s.mapper.(meta.ResettableRESTMapper); ok {
			r.Reset()
			m, err = s.mapper.RESTMapping(gk)
		}
	}
	if err == nil {
		return targetOf(m), true, nil
	}
	if !meta.IsNoMatchError(err) {
		return target{}, false, err
	}
	groups, err := s.discovery.ServerGroups()
	if err != nil {
		return target{}, false, err
	}
	for _, g := range groups.Groups {
		if g.Name != gk.Group {
			continue
		}
		for _, v := range g.Versions {
			list, err := s.discovery.ServerResourcesForGroupVersion(v.GroupVersion)
			if err != nil || slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Kind == gk.Kind }) {
				return target{}, false, fmt.Errorf("%s: %w", gk, errors.Join(errUnanswered, err))
			}
		}
	}
	return target{}, false, nil
}
