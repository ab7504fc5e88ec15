package ssa

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// compareAttempts bounds how often an object that changes all the time is read
// again.
const compareAttempts = 5

// compare reads the object, asks for a dry run of the whole object, and keeps
// the difference.
func (r *run) compare(ctx context.Context, o *object) error {
	var live, merged *unstructured.Unstructured
	var ans answer
	for attempt := 1; ; attempt++ {
		var err error
		if live, err = r.a.client.get(ctx, o); err != nil {
			return err
		}
		if merged, ans, err = r.a.client.rehearseWhole(ctx, o, !r.noForce(o)); err != nil {
			return err
		}
		// What others have written in between is no difference.
		if live.GetResourceVersion() == merged.GetResourceVersion() || attempt == compareAttempts {
			break
		}
	}
	o.diff = Diff(live, merged)
	before := r.a.summarize(live)
	o.live = &before
	if len(o.diff) == 0 && ownedFields(r.a, live) == ownedFields(r.a, merged) && !(before.takeOver && o.marks&markMerge == 0) {
		r.inSync(o, before, ans)
		return nil
	}
	o.sure = true
	o.taken = r.a.takenFields(live, merged)
	return nil
}

// ownedFields returns the fields that are ours in an object.
func ownedFields(a *Applier, u *unstructured.Unstructured) string {
	for _, e := range u.GetManagedFields() {
		if a.isOwn(e) && e.FieldsV1 != nil {
			return e.APIVersion + e.FieldsV1.GetRawString()
		}
	}
	return ""
}

// rehearseWhole sends a dry run and returns the object as it would be.
func (c *client) rehearseWhole(ctx context.Context, o *object, force bool) (*unstructured.Unstructured, answer, error) {
	body, err := o.body(true)
	if err != nil {
		return nil, answer{}, err
	}
	release, err := c.acquire(ctx)
	if err != nil {
		return nil, answer{}, err
	}
	defer release()
	x := &exchange{}
	ctx = context.WithValue(ctx, exchangeKey{}, x)
	var out *unstructured.Unstructured
	err = retry(ctx, func() error {
		out, err = c.dynamic.Resource(o.gvr).Namespace(o.namespace()).Patch(ctx, o.ref.Name, types.ApplyYAMLPatchType, body, metav1.PatchOptions{
			FieldManager: c.manager, Force: &force, DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict,
		})
		return err
	})
	return out, answer{at: c.clock.at(x)}, err
}
