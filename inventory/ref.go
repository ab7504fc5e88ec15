package inventory

import (
	"cmp"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// A Ref names an object in a cluster, whatever version of its API it is read
// in. It is comparable and can be used as a map key.
type Ref struct {
	Group     string // API group; "" is the core group
	Kind      string
	Namespace string // "" for cluster-scoped objects
	Name      string
}

// RefOf returns the Ref of obj, taking its namespace as it stands.
func RefOf(obj *unstructured.Unstructured) Ref {
	gvk := obj.GroupVersionKind()
	return Ref{Group: gvk.Group, Kind: gvk.Kind, Namespace: obj.GetNamespace(), Name: obj.GetName()}
}

// GroupKind returns the group and kind of r.
func (r Ref) GroupKind() schema.GroupKind {
	return schema.GroupKind{Group: r.Group, Kind: r.Kind}
}

// String returns r as people write it: Deployment/shop/web, ClusterRole/admin,
// with the group added where it is not one of the well-known ones.
func (r Ref) String() string {
	var b strings.Builder
	b.WriteString(r.Kind)
	if strings.Contains(r.Group, ".") && !strings.HasSuffix(r.Group, ".k8s.io") {
		b.WriteByte('.')
		b.WriteString(r.Group)
	}
	b.WriteByte('/')
	if r.Namespace != "" {
		b.WriteString(r.Namespace)
		b.WriteByte('/')
	}
	b.WriteString(r.Name)
	return b.String()
}

// Compare orders refs by group, kind, namespace and name.
func (r Ref) Compare(o Ref) int {
	return cmp.Or(
		cmp.Compare(r.Group, o.Group),
		cmp.Compare(r.Kind, o.Kind),
		cmp.Compare(r.Namespace, o.Namespace),
		cmp.Compare(r.Name, o.Name),
	)
}

func (r Ref) check() error {
	if r.Kind == "" || r.Name == "" {
		return fmt.Errorf("%w: kind and name are required, got %+v", ErrMalformed, r)
	}
	return nil
}

// An Entry is one owned object: its Ref, the API version it was last applied
// in, and its UID where that is known.
type Entry struct {
	Ref
	Version string    // API version without group, for example "v1"
	UID     types.UID // "" where it is not known, as in Flux's status format
}

// GVK returns the group, version and kind of e.
func (e Entry) GVK() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: e.Group, Version: e.Version, Kind: e.Kind}
}
