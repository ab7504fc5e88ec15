package health_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/gitopskit/gitopskit/ssa/health"
)

func object(t testing.TB, manifest string) *unstructured.Unstructured {
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

func TestEvaluate(t *testing.T) {
	cases := []struct {
		reason, manifest string
		want             health.Status
		says             string
	}{
		{"Deployment that no controller has seen", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {generation: 1}\nspec: {replicas: 1}", health.InProgress, "has not seen"},
		{"Deployment with a status of an older spec", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {generation: 2}\nspec: {replicas: 1}\nstatus: {observedGeneration: 1, updatedReplicas: 1, replicas: 1, availableReplicas: 1}", health.InProgress, "has not seen"},
		{"Deployment that rolls out", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {generation: 1}\nspec: {replicas: 3}\nstatus: {observedGeneration: 1, updatedReplicas: 1, replicas: 3, availableReplicas: 3}", health.InProgress, "1 of 3 pods are of the new template"},
		{"Deployment with old pods left", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {generation: 1}\nspec: {replicas: 1}\nstatus: {observedGeneration: 1, updatedReplicas: 1, replicas: 2, availableReplicas: 2}", health.InProgress, "1 old pods"},
		{"Deployment that is done", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {generation: 1}\nspec: {replicas: 1}\nstatus: {observedGeneration: 1, updatedReplicas: 1, replicas: 1, availableReplicas: 1}", health.Current, ""},
		{"Deployment scaled to nothing", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {generation: 1}\nspec: {replicas: 0}\nstatus: {observedGeneration: 1}", health.Current, ""},
		{"Deployment past its progress deadline", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {generation: 1}\nspec: {replicas: 1}\nstatus: {observedGeneration: 1, conditions: [{type: Progressing, status: 'False', reason: ProgressDeadlineExceeded, message: took too long}]}", health.Failed, "took too long"},
		{"StatefulSet with a partition", "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {generation: 1}\nspec: {replicas: 3, updateStrategy: {rollingUpdate: {partition: 2}}}\nstatus: {observedGeneration: 1, replicas: 3, readyReplicas: 3, updatedReplicas: 1, currentRevision: a, updateRevision: b}", health.Current, ""},
		{"StatefulSet that rolls out", "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {generation: 1}\nspec: {replicas: 3}\nstatus: {observedGeneration: 1, replicas: 3, readyReplicas: 3, updatedReplicas: 1, currentRevision: a, updateRevision: b}", health.InProgress, "1 of 3 pods are of the new revision"},
		{"StatefulSet with pods too many", "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {generation: 1}\nspec: {replicas: 1}\nstatus: {observedGeneration: 1, replicas: 2, readyReplicas: 2}", health.InProgress, "1 pods too many"},
		{"StatefulSet whose pods are replaced by hand", "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {generation: 1}\nspec: {replicas: 1, updateStrategy: {type: OnDelete}}\nstatus: {observedGeneration: 1, replicas: 1, readyReplicas: 1, currentRevision: a, updateRevision: b}", health.Current, ""},
		{"DaemonSet without a status", "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {generation: 1}", health.InProgress, ""},
		{"Job that has started", "apiVersion: batch/v1\nkind: Job\nspec: {completions: 2}\nstatus: {startTime: '2026-01-01T00:00:00Z', active: 1, succeeded: 1}", health.InProgress, "1 of 2"},
		{"Job that is complete", "apiVersion: batch/v1\nkind: Job\nstatus: {conditions: [{type: Complete, status: 'True'}]}", health.Current, ""},
		{"Job that has failed", "apiVersion: batch/v1\nkind: Job\nstatus: {conditions: [{type: Failed, status: 'True', message: backoff limit}]}", health.Failed, "backoff limit"},
		{"Job that is suspended", "apiVersion: batch/v1\nkind: Job\nspec: {suspend: true}", health.Current, "suspended"},
		{"CronJob", "apiVersion: batch/v1\nkind: CronJob", health.Current, ""},
		{"claim that waits", "apiVersion: v1\nkind: PersistentVolumeClaim\nstatus: {phase: Pending}", health.InProgress, ""},
		{"claim that is bound", "apiVersion: v1\nkind: PersistentVolumeClaim\nstatus: {phase: Bound}", health.Current, ""},
		{"Service that waits for a load balancer", "apiVersion: v1\nkind: Service\nspec: {type: LoadBalancer}", health.InProgress, ""},
		{"Ingress without an address", "apiVersion: networking.k8s.io/v1\nkind: Ingress\nstatus: {}", health.Current, ""},
		{"definition that is not established", "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nstatus: {conditions: []}", health.InProgress, ""},
		{"namespace", "apiVersion: v1\nkind: Namespace\nstatus: {phase: Active}", health.Current, ""},
		{"custom resource that is not ready", "apiVersion: example.com/v1\nkind: Gadget\nmetadata: {generation: 1}\nstatus: {observedGeneration: 1, conditions: [{type: Ready, status: 'False', reason: Waiting, message: for a thing}]}", health.InProgress, "for a thing"},
		{"custom resource that is stalled", "apiVersion: example.com/v1\nkind: Gadget\nmetadata: {generation: 1}\nstatus: {observedGeneration: 1, conditions: [{type: Stalled, status: 'True', message: no way}]}", health.Failed, "no way"},
		{"custom resource with a status of an older spec", "apiVersion: example.com/v1\nkind: Gadget\nmetadata: {generation: 2}\nstatus: {observedGeneration: 1, conditions: [{type: Ready, status: 'True'}]}", health.InProgress, ""},
		{"anything that is being deleted", "apiVersion: v1\nkind: ConfigMap\nmetadata: {deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: [example.com/hold]}", health.Terminating, "example.com/hold"},
		{"Pod that can't be scheduled", "apiVersion: v1\nkind: Pod\nstatus: {phase: Pending, conditions: [{type: PodScheduled, status: 'False', reason: Unschedulable, message: 0/3 nodes}]}", health.InProgress, "Unschedulable: 0/3 nodes"},
		{"Pod whose image can't be pulled", "apiVersion: v1\nkind: Pod\nstatus: {phase: Pending, containerStatuses: [{name: web, state: {waiting: {reason: ImagePullBackOff, message: no such image}}}]}", health.InProgress, "container web: ImagePullBackOff: no such image"},
		{"Pod whose init container crashes", "apiVersion: v1\nkind: Pod\nstatus: {phase: Pending, initContainerStatuses: [{name: migrate, state: {waiting: {reason: CrashLoopBackOff, message: back-off}}}]}", health.InProgress, "container migrate: CrashLoopBackOff"},
		{"Pod that has failed", "apiVersion: v1\nkind: Pod\nstatus: {phase: Failed, containerStatuses: [{name: web, state: {terminated: {reason: Error, exitCode: 3}}}]}", health.Failed, "container web: Error, exit code 3"},
		{"Pod that has succeeded", "apiVersion: v1\nkind: Pod\nstatus: {phase: Succeeded}", health.Current, ""},
		{"Canary that nobody has seen", "apiVersion: flagger.app/v1beta1\nkind: Canary", health.InProgress, "Flagger"},
		{"Canary that has been initialized", "apiVersion: flagger.app/v1beta1\nkind: Canary\nstatus: {phase: Initialized}", health.Current, ""},
		{"Canary under analysis", "apiVersion: flagger.app/v1beta1\nkind: Canary\nstatus: {phase: Progressing, canaryWeight: 30}", health.InProgress, "weight 30"},
		{"Canary that was promoted", "apiVersion: flagger.app/v1beta1\nkind: Canary\nstatus: {phase: Succeeded, lastAppliedSpec: a, lastPromotedSpec: a}", health.Current, ""},
		{"Canary with a revision to come", "apiVersion: flagger.app/v1beta1\nkind: Canary\nstatus: {phase: Succeeded, lastAppliedSpec: b, lastPromotedSpec: a}", health.InProgress, "analysis"},
		{"Canary that was rolled back", "apiVersion: flagger.app/v1beta1\nkind: Canary\nstatus: {phase: Failed, conditions: [{type: Promoted, status: 'False', message: analysis failed}]}", health.Failed, "analysis failed"},
		{"kind without a status", "apiVersion: v1\nkind: ConfigMap", health.Current, ""},
	}
	for _, c := range cases {
		t.Run(c.reason, func(t *testing.T) {
			got := health.Evaluate(object(t, c.manifest))
			if got.Status != c.want || !strings.Contains(got.Message, c.says) {
				t.Errorf("got %s: %q, want %s and %q", got.Status, got.Message, c.want, c.says)
			}
		})
	}
}
