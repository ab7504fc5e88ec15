package ssa

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// lastApplied is the annotation in which kubectl's client-side apply keeps a
// copy of what it applied.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

const takeOverAttempts = 5

// takeOver makes the fields of the managers named by Options.TakeOver ours, so
// that those which the set does not have are removed by the next apply.
func (a *Applier) takeOver(ctx context.Context, o *object) error {
	for attempt := 1; ; attempt++ {
		m, err := a.client.getMeta(ctx, o.target)
		if err != nil || m == nil {
			return err
		}
		body, err := a.takeOverPatch(m, o.gvk().GroupVersion().String())
		if err != nil || body == nil {
			return err
		}
		m, err = a.client.patchMeta(ctx, o.target, body)
		if err == nil {
			live := a.summarize(m)
			o.live = &live
			return nil
		}
		changedMeanwhile := apierrors.IsConflict(err) || apierrors.IsInvalid(err)
		if !changedMeanwhile || attempt == takeOverAttempts {
			return fmt.Errorf("take over fields: %w", err)
		}
	}
}

// takeOverPatch returns a JSON patch that merges the entries to be taken over
// into ours, guarded by the resource version; nil if there are none.
func (a *Applier) takeOverPatch(m *metav1.PartialObjectMetadata, apiVersion string) ([]byte, error) {
	owned := &fieldpath.Set{}
	var kept []metav1.ManagedFieldsEntry
	var own *metav1.ManagedFieldsEntry
	taken := false
	var last *metav1.Time // by the API server's clock, as ours may be wrong
	for _, e := range m.ManagedFields {
		switch {
		case a.isOwn(e):
			own = e.DeepCopy()
		case e.Subresource == "" && a.takesOver(e):
			taken = true
			if last == nil || last.Before(e.Time) {
				last = e.Time
			}
		default:
			kept = append(kept, e)
			continue
		}
		set, err := decodeFields(e.FieldsV1)
		if err != nil {
			return nil, err
		}
		owned = owned.Union(withEncoded(set))
	}
	if !taken {
		return nil, nil
	}
	if own == nil {
		own = &metav1.ManagedFieldsEntry{
			Manager: a.opts.FieldManager, Operation: metav1.ManagedFieldsOperationApply,
			FieldsType: "FieldsV1", APIVersion: apiVersion, Time: last,
		}
	}
	raw, err := owned.ToJSON()
	if err != nil {
		return nil, err
	}
	own.FieldsV1 = &metav1.FieldsV1{}
	own.FieldsV1.SetRawBytes(raw)
	return json.Marshal(takeOverOps(m, slices.Concat([]metav1.ManagedFieldsEntry{*own}, kept)))
}

// withEncoded adds to the fields of a Secret what became of its stringData: it
// is kept as data, which is nobody's then.
func withEncoded(set *fieldpath.Set) *fieldpath.Set {
	encoded := &fieldpath.Set{}
	set.Iterate(func(p fieldpath.Path) {
		if len(p) == 2 && p[0].FieldName != nil && *p[0].FieldName == "stringData" && p[1].FieldName != nil {
			encoded.Insert(fieldpath.MakePathOrDie("data", *p[1].FieldName))
		}
	})
	return set.Union(encoded)
}

type patchOp struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

func takeOverOps(m *metav1.PartialObjectMetadata, entries []metav1.ManagedFieldsEntry) []patchOp {
	ops := []patchOp{
		{Op: "replace", Path: "/metadata/resourceVersion", Value: m.ResourceVersion},
		{Op: "replace", Path: "/metadata/managedFields", Value: entries},
	}
	if _, ok := m.Annotations[lastApplied]; ok {
		ops = append(ops, patchOp{Op: "remove", Path: "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration"})
	}
	return ops
}

func decodeFields(f *metav1.FieldsV1) (*fieldpath.Set, error) {
	set := &fieldpath.Set{}
	if f == nil {
		return set, nil
	}
	if err := set.FromJSON(f.GetRawReader()); err != nil {
		return nil, fmt.Errorf("read managedFields: %w", err)
	}
	return set, nil
}
