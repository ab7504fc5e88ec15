package receivers

import (
	"context"
	"encoding/json"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
	"github.com/gitopskit/gitopskit/notify/receiver"
)

// kinds are those that can be asked to reconcile, with their group.
var kinds = map[string]schema.GroupVersion{
	"GitRepository": api.SourceGroup, "OCIRepository": api.SourceGroup, "Bucket": api.SourceGroup,
	"Kustomization":   api.KustomizeGroup,
	"ImageRepository": api.ImageGroup, "ImagePolicy": api.ImageGroup, "ImageUpdateAutomation": api.ImageGroup,
}

func known(kind string) bool {
	_, ok := kinds[kind]
	return ok
}

// cluster is what receivers act on: the caches of the manager.
type cluster struct{ client.Client }

var _ receiver.Cluster = cluster{}

// List implements receiver.Cluster.
func (c cluster) List(ctx context.Context, r receiver.Resource) ([]map[string]any, error) {
	gvk := kinds[r.Kind].WithKind(r.Kind)
	if r.Name != "*" {
		return c.get(ctx, gvk, client.ObjectKey{Namespace: r.Namespace, Name: r.Name})
	}
	list, err := c.Scheme().New(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
	if err != nil {
		return nil, err
	}
	if err := c.Client.List(ctx, list.(client.ObjectList), client.InNamespace(r.Namespace), client.MatchingLabels(r.MatchLabels)); err != nil {
		return nil, err
	}
	var out []map[string]any
	err = apimeta.EachListItem(list, func(o runtime.Object) error {
		object, err := asMap(o, gvk)
		out = append(out, object)
		return err
	})
	return out, err
}

func (c cluster) get(ctx context.Context, gvk schema.GroupVersionKind, key client.ObjectKey) ([]map[string]any, error) {
	o, err := c.Scheme().New(gvk)
	if err != nil {
		return nil, err
	}
	if err := c.Get(ctx, key, o.(client.Object)); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	object, err := asMap(o, gvk)
	return []map[string]any{object}, err
}

func asMap(o runtime.Object, gvk schema.GroupVersionKind) (map[string]any, error) {
	out, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return nil, err
	}
	out["apiVersion"], out["kind"] = gvk.GroupVersion().String(), gvk.Kind
	return out, nil
}

// Request implements receiver.Cluster.
func (c cluster) Request(ctx context.Context, object map[string]any, at time.Time) error {
	kind, _ := object["kind"].(string)
	o, err := c.Scheme().New(kinds[kind].WithKind(kind))
	if err != nil {
		return err
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object, o); err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"annotations": map[string]string{meta.ReconcileRequestAnnotation: at.Format(time.RFC3339Nano)},
	}})
	if err != nil {
		return err
	}
	return client.IgnoreNotFound(c.Patch(ctx, o.(client.Object), client.RawPatch(types.MergePatchType, patch)))
}
