package ssa

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Who owns which fields of an object is recorded in the API version in which the
// owner last wrote. To apply, the API server brings the object to each of these
// versions, and refuses if it can't: because the definition of a custom resource
// no longer has the version, or because the object has fields that the version
// did not know. No apply can succeed then, whatever it says, until the records are
// brought to a version that works.

// oldFieldsTexts are what the API server says, as an internal error, where it
// fails to bring an object to the version of an entry of managedFields.
var oldFieldsTexts = []string{
	"to an invalid group/version: ",
	"failed to prune fields: ",
	"failed to convert old object: ",
	"failed to convert new object: ",
	"failed to convert merged object ",
	"failed to convert pruned object ",
}

func isOldFields(err error) bool {
	return apierrors.IsInternalError(err) && slices.ContainsFunc(oldFieldsTexts, func(t string) bool {
		return strings.Contains(err.Error(), t)
	})
}

// lostVersion matches the API version that a definition no longer has.
var lostVersion = regexp.MustCompile(`to an invalid group/version: (\S+)`)

// validateOldFields validates an object that can't be applied before its
// managedFields have been mended, by a dry run of its creation under another name.
func (r *run) validateOldFields(ctx context.Context, o *object, cause error) *Error {
	u, err := r.a.client.getWhole(ctx, o.target)
	if err != nil {
		return apiError("read", o, err)
	}
	if versions := r.a.versionsToLeave(u, o, cause); len(versions) == 0 {
		return apiError("validate", o, cause)
	}
	if err := r.a.client.dryCreate(ctx, o, renamed(o.desired, "")); err != nil && !apierrors.IsForbidden(err) {
		return apiError("validate", o, err)
	}
	o.action, o.sure, o.oldFields = Update, true, cause
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Objects[o.index].Reason = oldFieldsReason
	return nil
}

const oldFieldsReason = "who owns its fields is recorded in an API version that the object can't be brought to; brought to the one applied"

// leaveOldVersions applies an object, and mends its managedFields as often as
// the API server finds them in a version that it can't use.
func (r *run) leaveOldVersions(ctx context.Context, o *object, cause error) (answer, error) {
	for attempt := 1; ; attempt++ {
		all := attempt > 1 && !lostVersion.MatchString(cause.Error())
		mended, err := r.a.mendFields(ctx, o, cause, all)
		if err != nil {
			return answer{}, fmt.Errorf("mend managedFields: %w", err)
		}
		if !mended {
			return answer{}, cause
		}
		if len(o.ignored) > 0 {
			o.payload = nil
		}
		o.sure = true
		ans, err := r.put(ctx, o)
		if err == nil {
			r.mu.Lock()
			r.result.Objects[o.index].Reason = oldFieldsReason
			r.mu.Unlock()
		}
		if err == nil || !isOldFields(err) || attempt == takeOverAttempts {
			return ans, err
		}
		cause = err
	}
}

// mendFields brings entries of managedFields to the version that is applied: ours,
// and those in a version that is to be left. With all, every entry. It reports
// whether there were any.
func (a *Applier) mendFields(ctx context.Context, o *object, cause error, all bool) (bool, error) {
	for attempt := 1; ; attempt++ {
		u, err := a.client.getWhole(ctx, o.target)
		if err != nil {
			return false, err
		}
		versions := a.versionsToLeave(u, o, cause)
		if all {
			for _, e := range u.GetManagedFields() {
				versions[e.APIVersion] = true
			}
			delete(versions, o.gvk().GroupVersion().String())
		}
		entries, mended, err := rewriteVersions(u, versions)
		if err != nil || !mended {
			return false, err
		}
		body, err := json.Marshal([]patchOp{
			{Op: "test", Path: "/metadata/uid", Value: u.GetUID()},
			{Op: "replace", Path: "/metadata/resourceVersion", Value: u.GetResourceVersion()},
			{Op: "replace", Path: "/metadata/managedFields", Value: entries},
		})
		if err != nil {
			return false, err
		}
		m, err := a.client.patchMeta(ctx, o.target, body)
		if err == nil {
			live := a.summarize(m)
			o.live = &live
			return true, nil
		}
		if !apierrors.IsConflict(err) || attempt == takeOverAttempts {
			return false, err
		}
	}
}

// versionsToLeave returns the versions of managedFields that are to be left
// because of an error: the one that it names, and that of our own entry.
func (a *Applier) versionsToLeave(u *unstructured.Unstructured, o *object, cause error) map[string]bool {
	out := map[string]bool{}
	if m := lostVersion.FindStringSubmatch(cause.Error()); m != nil {
		out[m[1]] = true
	}
	others := false
	for _, e := range u.GetManagedFields() {
		if a.isOwn(e) {
			out[e.APIVersion] = true
		}
		others = others || e.APIVersion != u.GetAPIVersion()
	}
	delete(out, o.gvk().GroupVersion().String())
	if len(out) > 0 || !others {
		return out
	}
	for _, e := range u.GetManagedFields() {
		if e.APIVersion != u.GetAPIVersion() {
			out[e.APIVersion] = true
		}
	}
	return out
}

// rewriteVersions returns the managedFields of an object with the entries of some
// versions brought to the object's own. Fields that the object does not have, as
// it has other ones in this version, are left out. Entries that are of the same
// manager then become one.
func rewriteVersions(u *unstructured.Unstructured, versions map[string]bool) (entries []metav1.ManagedFieldsEntry, changed bool, err error) {
	for _, e := range u.GetManagedFields() {
		if versions[e.APIVersion] {
			changed = true
			e.APIVersion = u.GetAPIVersion()
			fields := readOwned(e).within(u.Object)
			if len(fields) == 0 {
				continue
			}
			raw, err := json.Marshal(fields)
			if err != nil {
				return nil, false, err
			}
			e.FieldsV1 = &metav1.FieldsV1{}
			e.FieldsV1.SetRawBytes(raw)
		}
		same := slices.IndexFunc(entries, func(x metav1.ManagedFieldsEntry) bool {
			return x.Manager == e.Manager && x.Operation == e.Operation && x.Subresource == e.Subresource && x.APIVersion == e.APIVersion
		})
		if same < 0 || !changed {
			entries = append(entries, e)
			continue
		}
		if err := joinEntry(&entries[same], e); err != nil {
			return nil, false, err
		}
	}
	return entries, changed, nil
}

// joinEntry adds the fields of an entry to those of another one.
func joinEntry(to *metav1.ManagedFieldsEntry, e metav1.ManagedFieldsEntry) error {
	have, err := decodeFields(to.FieldsV1)
	if err != nil {
		return err
	}
	more, err := decodeFields(e.FieldsV1)
	if err != nil {
		return err
	}
	raw, err := have.Union(more).ToJSON()
	if err != nil {
		return err
	}
	to.FieldsV1 = &metav1.FieldsV1{}
	to.FieldsV1.SetRawBytes(raw)
	if to.Time == nil || e.Time != nil && to.Time.Before(e.Time) {
		to.Time = e.Time
	}
	return nil
}

// within returns what of o there is in v.
func (o owned) within(v any) owned {
	out := owned{}
	for name, child := range o {
		node, _ := child.(map[string]any)
		if name == "." {
			out[name] = child
			continue
		}
		s, there := stepTo(name, v)
		if !there {
			continue
		}
		if isLeaf(node) {
			out[name] = child
			continue
		}
		inner, _ := s.in(v)
		if rest := owned(node).within(inner); len(rest) > 0 {
			out[name] = map[string]any(maps.Clone(rest))
		}
	}
	return out
}
