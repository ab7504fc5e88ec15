package ssa

import (
	"fmt"
	"maps"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitopskit/gitopskit/inventory"
)

// flatten puts what lists contain in their place. What is no object is told to
// fail.
func flatten(in []*unstructured.Unstructured, fail func(inventory.Ref, string, error)) []*unstructured.Unstructured {
	out := make([]*unstructured.Unstructured, 0, len(in))
	var add func(u *unstructured.Unstructured)
	add = func(u *unstructured.Unstructured) {
		switch {
		case u == nil:
			fail(inventory.Ref{}, "", fmt.Errorf("%w: nil object", ErrInvalid))
		case u.IsList():
			err := u.EachListItem(func(item runtime.Object) error {
				add(itemOf(u, item.(*unstructured.Unstructured)))
				return nil
			})
			if err != nil {
				fail(inventory.RefOf(u), "", fmt.Errorf("%w: %w", ErrInvalid, err))
			}
		default:
			out = append(out, u)
		}
	}
	for _, u := range in {
		add(u)
	}
	return out
}

// itemOf returns an item of a list with its kind: those of a ConfigMapList, say,
// need not repeat it.
func itemOf(list, item *unstructured.Unstructured) *unstructured.Unstructured {
	kind := strings.TrimSuffix(list.GetKind(), "List")
	if kind == "" || item.GetKind() != "" || item.GetAPIVersion() != "" {
		return item
	}
	item = &unstructured.Unstructured{Object: maps.Clone(item.Object)}
	item.SetKind(kind)
	item.SetAPIVersion(list.GetAPIVersion())
	return item
}

// definedKinds returns the kinds that CustomResourceDefinitions among the
// objects define, so that custom resources can be applied along with them.
func definedKinds(in []*unstructured.Unstructured) map[schema.GroupVersionKind]resource {
	out := map[schema.GroupVersionKind]resource{}
	for _, u := range in {
		if u.GetKind() != "CustomResourceDefinition" || u.GroupVersionKind().Group != "apiextensions.k8s.io" {
			continue
		}
		group, kind, plural := text(u.Object, "spec", "group"), text(u.Object, "spec", "names", "kind"), text(u.Object, "spec", "names", "plural")
		for _, v := range list(u.Object, "spec", "versions") {
			gvk := schema.GroupVersionKind{Group: group, Version: text(v, "name"), Kind: kind}
			out[gvk] = resource{
				gvr:        gvk.GroupVersion().WithResource(plural),
				namespaced: text(u.Object, "spec", "scope") == "Namespaced",
			}
		}
	}
	return out
}
