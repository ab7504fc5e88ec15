package health

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A canarySight is what there is to see of a Canary: itself, the workload that
// it is about, and the copy of that workload that Flagger runs.
type canarySight struct {
	canary  *unstructured.Unstructured
	target  *unstructured.Unstructured
	primary *unstructured.Unstructured            // nil: not there
	configs map[string]*unstructured.Unstructured // by the keys of status.trackedConfigs, as far as they are there
}

// seenCanary reports whether a canary that has come to an end, promoted or
// rolled back, has done so with the revision that its target has now, and if not,
// why that is known.
//
// Flagger looks at the target once an analysis interval, a minute by default, and
// the Canary says nothing of a change until then. Its lastAppliedSpec is no help: it
// is a hash over Flagger's own Go types, another one with each version of them.
// What can be relied on:
//
//   - Promotion copies the target's pod template to the primary workload. While both
//     are alike, what is wanted is what runs, whoever has seen what. Replicas and
//     metadata, which Flagger does not analyse, are in no template.
//   - Where they differ, Flagger has still seen the change if it wrote the primary
//     after the target's template was last written; both times are the API
//     server's, in managedFields. So a primary that can't become like its target,
//     because admission changes it or because Flagger does not know a field, is not
//     waited for in vain.
//   - The checksums of ConfigMaps and Secrets that Flagger tracks are in the status.
//   - A canary that has failed has done so for an older revision if its status was
//     last written before the target's template was.
func seenCanary(s canarySight) (seen bool, why string) {
	flagger := statusManagers(s.canary)
	written := templateTime(s.target, func(manager string) bool { return !flagger[manager] })
	if text(s.canary, "status", "phase") == "Failed" {
		if !written.IsZero() && !statusTime(s.canary).After(written) {
			return false, "failed with an older revision; Flagger has not seen the new one"
		}
		return true, ""
	}
	if s.primary == nil {
		return false, "its primary workload does not exist"
	}
	if path := templateDifference(s.target, s.primary); path != "" {
		promoted := templateTime(s.primary, func(manager string) bool { return flagger[manager] })
		if written.IsZero() || !promoted.After(written) {
			return false, "Flagger has not seen the change of " + path + " in its target"
		}
	}
	tracked, _, _ := unstructured.NestedStringMap(s.canary.Object, "status", "trackedConfigs")
	for _, name := range slices.Sorted(maps.Keys(tracked)) {
		if config := s.configs[name]; config != nil && isTracked(config) && configChecksum(config) != tracked[name] {
			return false, "Flagger has not seen the change of " + name
		}
	}
	return true, ""
}

// statusManagers returns the field managers that write the status of a Canary,
// which is Flagger, under whatever name it runs.
func statusManagers(canary *unstructured.Unstructured) map[string]bool {
	out := map[string]bool{}
	for _, e := range canary.GetManagedFields() {
		if e.Subresource == "status" {
			out[e.Manager] = true
		}
	}
	return out
}

func statusTime(canary *unstructured.Unstructured) time.Time {
	var last time.Time
	for _, e := range canary.GetManagedFields() {
		if e.Subresource == "status" && e.Time != nil && e.Time.After(last) {
			last = e.Time.Time
		}
	}
	return last
}

// templateTime returns when fields of the pod template were last written by some
// managers; zero if that is not known.
func templateTime(workload *unstructured.Unstructured, by func(manager string) bool) time.Time {
	var last time.Time
	for _, e := range workload.GetManagedFields() {
		if e.Time == nil || e.FieldsV1 == nil || !by(e.Manager) || !e.Time.After(last) {
			continue
		}
		var fields struct {
			Spec struct {
				Template map[string]any `json:"f:template"`
			} `json:"f:spec"`
		}
		if json.Unmarshal([]byte(e.FieldsV1.GetRawString()), &fields) == nil && fields.Spec.Template != nil {
			last = e.Time.Time
		}
	}
	return last
}

// templateDifference returns the path of a field in which the pod template of a
// primary workload is not what Flagger makes of that of its target; "" if there
// is none.
func templateDifference(target, primary *unstructured.Unstructured) string {
	t, _, _ := unstructured.NestedMap(target.Object, "spec", "template")
	p, _, _ := unstructured.NestedMap(primary.Object, "spec", "template")
	for _, template := range []map[string]any{t, p} {
		for _, kind := range []string{"labels", "annotations"} {
			dropOwn(template, "metadata", kind)
		}
		dropOwn(template, "spec", "nodeSelector")
	}
	for _, part := range [][]string{{"metadata", "labels"}, {"metadata", "annotations"}, {"spec"}} {
		a, _, _ := unstructured.NestedFieldNoCopy(t, part...)
		b, _, _ := unstructured.NestedFieldNoCopy(p, part...)
		if path := difference(a, b, "spec.template."+strings.Join(part, ".")); path != "" {
			return path
		}
	}
	return ""
}

// dropOwn removes from a map what Flagger adds to it, or does not copy.
func dropOwn(template map[string]any, path ...string) {
	m, _, _ := unstructured.NestedFieldNoCopy(template, path...)
	entries, _ := m.(map[string]any)
	maps.DeleteFunc(entries, func(k string, _ any) bool {
		return k == "flagger-id" || k == "flagger.app/scale-to-zero" || strings.Contains(k, "toolkit.fluxcd.io")
	})
}

// difference returns the path of the first field in which b is not a copy of a
// made by Flagger, which gives the suffix -primary to what selects or configures
// the copy.
func difference(a, b any, path string) string {
	if isNothing(a) && isNothing(b) {
		return ""
	}
	switch a := a.(type) {
	case map[string]any:
		other, ok := b.(map[string]any)
		if !ok {
			return path
		}
		keys := maps.Clone(a)
		maps.Copy(keys, other)
		for _, k := range slices.Sorted(maps.Keys(keys)) {
			if d := difference(a[k], other[k], path+"."+k); d != "" {
				return d
			}
		}
		return ""
	case []any:
		other, ok := b.([]any)
		if !ok || len(a) != len(other) {
			return path
		}
		for i := range a {
			if d := difference(a[i], other[i], fmt.Sprintf("%s[%d]", path, i)); d != "" {
				return d
			}
		}
		return ""
	case string:
		if s, ok := b.(string); ok && (s == a || s == a+"-primary") {
			return ""
		}
		return path
	}
	if reflect.DeepEqual(a, b) {
		return ""
	}
	return path
}

// isNothing reports whether a value is as good as absent.
func isNothing(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}

// isTracked reports whether Flagger tracks a ConfigMap or Secret.
func isTracked(config *unstructured.Unstructured) bool {
	return !strings.HasPrefix(config.GetAnnotations()["flagger.app/config-tracking"], "disable")
}

// configChecksum is the checksum that Flagger keeps of the data of a ConfigMap or
// Secret: the first eight bytes of the SHA-256 of its JSON.
func configChecksum(config *unstructured.Unstructured) string {
	data, _, _ := unstructured.NestedStringMap(config.Object, "data")
	text, err := json.Marshal(data)
	if err != nil { // strings can be marshalled
		return ""
	}
	sum := sha256.Sum256(text)
	return fmt.Sprintf("%x", sum[:8])
}
