package health

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

func sightObject(t *testing.T, manifest string) *unstructured.Unstructured {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{}
	if err := json.Unmarshal(data, &u.Object); err != nil {
		t.Fatal(err)
	}
	return u
}

// workloadWritten returns a Deployment whose template a manager wrote at a time.
func workloadWritten(manager, time, template string) string {
	return "kind: Deployment\nmetadata: {managedFields: [{manager: " + manager + ", operation: Update, time: '2026-01-01T" + time + "Z', fieldsV1: {'f:spec': {'f:template': {'f:spec': {}}}}}]}\nspec: {template: " + template + "}\n"
}

func TestSeenCanary(t *testing.T) {
	const (
		plain    = "{metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: 'web:1'}], volumes: [{configMap: {name: c}}]}}"
		copied   = "{metadata: {labels: {app: web-primary}, annotations: {flagger-id: x}}, spec: {containers: [{name: web, image: 'web:1'}], volumes: [{configMap: {name: c-primary}}]}}"
		changed  = "{metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: 'web:2'}], volumes: [{configMap: {name: c}}]}}"
		restart  = "{metadata: {labels: {app: web}, annotations: {restartedAt: now}}, spec: {containers: [{name: web, image: 'web:1'}], volumes: [{configMap: {name: c}}]}}"
		marked   = "{metadata: {labels: {app: web, kustomize.toolkit.fluxcd.io/name: x}}, spec: {nodeSelector: {flagger.app/scale-to-zero: 'true'}, containers: [{name: web, image: 'web:1'}], volumes: [{configMap: {name: c}}]}}"
		more     = "{metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: 'web:1'}, {name: more, image: 'more:1'}], volumes: [{configMap: {name: c}}]}}"
		status   = "kind: Canary\nmetadata: {managedFields: [{manager: flagger, operation: Update, subresource: status, time: '2026-01-01T12:00:00Z'}]}\nstatus: {phase: PHASE, trackedConfigs: {configmap/c: SUM}}\n"
		checksum = "666c1aa02e8068c6"
	)
	cases := []struct {
		reason, phase           string
		target, targetWritten   string
		primary, primaryWritten string
		config                  string
		why                     string
	}{
		{"the primary is a copy", "Succeeded", plain, "13:00:00", copied, "10:00:00", "", ""},
		{"what Flagger adds and leaves out is no difference", "Initialized", marked, "13:00:00", copied, "10:00:00", "", ""},
		{"the image was changed", "Succeeded", changed, "13:00:00", copied, "10:00:00", "", "spec.template.spec.containers[0].image"},
		{"an annotation was added", "Succeeded", restart, "13:00:00", copied, "10:00:00", "", "spec.template.metadata.annotations.restartedAt"},
		{"a container was added", "Succeeded", more, "13:00:00", copied, "10:00:00", "", "spec.template.spec.containers"},
		{"the primary was written after the change and still differs", "Succeeded", changed, "13:00:00", copied, "13:00:01", "", ""},
		{"both were written in the same second", "Succeeded", changed, "13:00:00", copied, "13:00:00", "", "image"},
		{"there is no primary", "Succeeded", plain, "13:00:00", "", "", "", "primary"},
		{"failed before the change", "Failed", changed, "13:00:00", copied, "10:00:00", "", "older revision"},
		{"failed after the change", "Failed", changed, "11:00:00", copied, "10:00:00", "", ""},
		{"a tracked ConfigMap is as it was", "Succeeded", plain, "13:00:00", copied, "10:00:00", "kind: ConfigMap\ndata: {k: v}", ""},
		{"a tracked ConfigMap was changed", "Succeeded", plain, "13:00:00", copied, "10:00:00", "kind: ConfigMap\ndata: {k: w}", "configmap/c"},
		{"a ConfigMap is no longer tracked", "Succeeded", plain, "13:00:00", copied, "10:00:00", "kind: ConfigMap\nmetadata: {annotations: {flagger.app/config-tracking: disabled}}\ndata: {k: w}", ""},
	}
	for _, c := range cases {
		t.Run(c.reason, func(t *testing.T) {
			s := canarySight{
				canary: sightObject(t, strings.NewReplacer("PHASE", c.phase, "SUM", "'"+checksum+"'").Replace(status)),
				target: sightObject(t, workloadWritten("gitopskit", c.targetWritten, c.target)),
			}
			if c.primary != "" {
				s.primary = sightObject(t, workloadWritten("flagger", c.primaryWritten, c.primary))
			}
			if c.config != "" {
				s.configs = map[string]*unstructured.Unstructured{"configmap/c": sightObject(t, c.config)}
			}
			seen, why := seenCanary(s)
			if seen != (c.why == "") || !strings.Contains(why, c.why) {
				t.Errorf("seen = %t, %q; want %q", seen, why, c.why)
			}
		})
	}
}
