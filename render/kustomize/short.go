package kustomize

import (
	"path"
	"reflect"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/provider"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/resid"
)

// onlyLists says whether k does nothing but list resources.
func onlyLists(k *types.Kustomization) bool {
	c := *k
	c.FixKustomization()
	return c.Kind == types.KustomizationKind && len(c.EnforceFields()) == 0 &&
		reflect.DeepEqual(&c, &types.Kustomization{TypeMeta: c.TypeMeta, Resources: c.Resources})
}

// short builds a folder whose kustomizations do nothing but list resources,
// without the library's accumulation, whose time grows with the square of the
// number of objects. The objects are read and cleaned by the library's own
// functions. ok is false where this is not known to be the same, or where
// something is wrong, which the library then reports.
func (s *scanner) short(root string, o Options) (objects []*unstructured.Unstructured, size int64, ok bool) {
	if o.LegacyOrder || s.ownSchema || len(s.lists) == 0 || s.complex {
		return nil, 0, false
	}
	defer schema.share()()
	defer func() {
		if recover() != nil {
			objects, size, ok = nil, 0, false
		}
	}()
	b := &shortBuild{scanner: s, factory: provider.NewDefaultDepProvider().GetResourceFactory(), seen: map[shortID]bool{}}
	if !b.folder(root) {
		return nil, 0, false
	}
	return b.objects, b.size, true
}

type shortID struct {
	gvk             resid.Gvk
	name, namespace string
}

type shortBuild struct {
	*scanner
	factory *resource.Factory
	seen    map[shortID]bool
	objects []*unstructured.Unstructured
	size    int64
}

func (b *shortBuild) folder(dir string) bool {
	for _, entry := range b.lists[dir] {
		real, info, err := b.tree.resolve(path.Join(dir, entry))
		if err != nil {
			return false
		}
		if info.IsDir() {
			if !b.folder(real) {
				return false
			}
			continue
		}
		data, err := fileSystem{b.tree}.ReadFile(real)
		if err != nil {
			return false
		}
		resources, err := b.factory.SliceFromBytes(data)
		if err != nil {
			return false
		}
		for _, r := range resources {
			if !b.add(r) {
				return false
			}
		}
	}
	return true
}

func (b *shortBuild) add(r *resource.Resource) bool {
	id := r.CurId()
	key := shortID{id.Gvk, id.Name, id.EffectiveNamespace()}
	if b.seen[key] || refersByMapping(id.Kind) {
		return false
	}
	b.seen[key] = true
	annotations := r.GetAnnotations()
	if local, ok := annotations[konfig.IgnoredByKustomizeAnnotation]; ok && local != "false" {
		return true
	}
	r.RemoveBuildAnnotations()
	if r.SetOrigin(nil) != nil || r.ClearTransformations() != nil {
		return false
	}
	c := converter{}
	v, err := c.value(r.YNode())
	obj, isMap := v.(map[string]any)
	if err != nil || !isMap {
		return false
	}
	b.size += c.size
	b.objects = append(b.objects, &unstructured.Unstructured{Object: obj})
	return true
}

// refersByMapping lists the kinds whose references hold a namespace, which the
// library fills in even where no name changed.
func refersByMapping(kind string) bool {
	switch kind {
	case "RoleBinding", "ClusterRoleBinding", "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration",
		"APIService", "CustomResourceDefinition", "Node", "StorageClass", "PersistentVolume",
		"ValidatingAdmissionPolicyBinding":
		return true
	}
	return false
}
