package health_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
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
		{"Deployment that is paused", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {generation: 1}\nspec: {replicas: 1, paused: true}\nstatus: {observedGeneration: 1}", health.Current, "paused"},
		{"DaemonSet that rolls out", "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {generation: 2}\nstatus: {observedGeneration: 2, desiredNumberScheduled: 3, currentNumberScheduled: 3, updatedNumberScheduled: 1, numberAvailable: 3}", health.InProgress, "1 of 3 pods are of the new template"},
		{"DaemonSet that lacks pods", "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {generation: 1}\nstatus: {observedGeneration: 1, desiredNumberScheduled: 3, currentNumberScheduled: 2}", health.InProgress, "2 of 3 nodes"},
		{"DaemonSet whose pods are not available", "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {generation: 1}\nstatus: {observedGeneration: 1, desiredNumberScheduled: 1, currentNumberScheduled: 1, updatedNumberScheduled: 1}", health.InProgress, "0 of 1 pods are available"},
		{"DaemonSet whose pods are replaced by hand", "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {generation: 2}\nspec: {updateStrategy: {type: OnDelete}}\nstatus: {observedGeneration: 2, desiredNumberScheduled: 1, currentNumberScheduled: 1, numberAvailable: 1}", health.Current, ""},
		{"DaemonSet that is meant for no node", "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {generation: 1}\nstatus: {observedGeneration: 1, desiredNumberScheduled: 0}", health.Current, ""},
		{"DaemonSet with a status of an older spec", "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {generation: 2}\nstatus: {observedGeneration: 1, desiredNumberScheduled: 0}", health.InProgress, "has not seen"},
		{"claim whose volume is lost", "apiVersion: v1\nkind: PersistentVolumeClaim\nstatus: {phase: Lost}", health.Failed, "gone"},
		{"claim that is resized", "apiVersion: v1\nkind: PersistentVolumeClaim\nstatus: {phase: Bound, conditions: [{type: Resizing, status: 'True'}]}", health.InProgress, "resized"},
		{"claim that nobody has seen", "apiVersion: v1\nkind: PersistentVolumeClaim", health.InProgress, ""},
		{"volume that has failed", "apiVersion: v1\nkind: PersistentVolume\nstatus: {phase: Failed, message: no recycler}", health.Failed, "no recycler"},
		{"volume that can be claimed", "apiVersion: v1\nkind: PersistentVolume\nstatus: {phase: Available}", health.Current, ""},
		{"Service with a load balancer", "apiVersion: v1\nkind: Service\nspec: {type: LoadBalancer}\nstatus: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}", health.Current, ""},
		{"Service without one", "apiVersion: v1\nkind: Service\nspec: {type: ClusterIP}", health.Current, ""},
		{"definition that is established", "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nstatus: {conditions: [{type: NamesAccepted, status: 'True'}, {type: Established, status: 'True'}]}", health.Current, ""},
		{"definition whose names are taken", "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nstatus: {conditions: [{type: NamesAccepted, status: 'False', reason: PluralConflict, message: taken}]}", health.Failed, "PluralConflict: taken"},
		{"APIService that is available", "apiVersion: apiregistration.k8s.io/v1\nkind: APIService\nstatus: {conditions: [{type: Available, status: 'True'}]}", health.Current, ""},
		{"APIService without endpoints", "apiVersion: apiregistration.k8s.io/v1\nkind: APIService\nstatus: {conditions: [{type: Available, status: 'False', reason: MissingEndpoints, message: no addresses}]}", health.InProgress, "MissingEndpoints: no addresses"},
		{"APIService that nobody has seen", "apiVersion: apiregistration.k8s.io/v1\nkind: APIService", health.InProgress, "has not looked"},
		{"autoscaler that scales", "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nstatus: {conditions: [{type: AbleToScale, status: 'True'}, {type: ScalingActive, status: 'True'}]}", health.Current, ""},
		{"autoscaler whose target is scaled to nothing", "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nstatus: {conditions: [{type: AbleToScale, status: 'True'}, {type: ScalingActive, status: 'False', reason: ScalingDisabled}]}", health.Current, ""},
		{"autoscaler without metrics", "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nstatus: {conditions: [{type: AbleToScale, status: 'True'}, {type: ScalingActive, status: 'False', reason: FailedGetResourceMetric, message: no metrics}]}", health.Current, "no metrics"},
		{"autoscaler without a target", "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nstatus: {conditions: [{type: AbleToScale, status: 'False', reason: FailedGetScale, message: not found}]}", health.InProgress, "FailedGetScale"},
		{"autoscaler with a wrong selector", "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nstatus: {conditions: [{type: AbleToScale, status: 'True'}, {type: ScalingActive, status: 'False', reason: InvalidSelector, message: bad}]}", health.Failed, "bad"},
		{"autoscaler that nobody has seen", "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler", health.Current, ""},
		{"autoscaler that was changed", "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {generation: 2}\nstatus: {observedGeneration: 1}", health.InProgress, ""},
		{"autoscaler of version 1", "apiVersion: autoscaling/v1\nkind: HorizontalPodAutoscaler\nmetadata: {annotations: {autoscaling.alpha.kubernetes.io/conditions: '[{\"type\":\"AbleToScale\",\"status\":\"True\"},{\"type\":\"ScalingActive\",\"status\":\"True\"}]'}}", health.Current, ""},
		{"disruption budget that is met", "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {generation: 1}\nstatus: {observedGeneration: 1, currentHealthy: 2, desiredHealthy: 2}", health.Current, ""},
		{"disruption budget that is not", "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {generation: 1}\nstatus: {observedGeneration: 1, currentHealthy: 1, desiredHealthy: 2}", health.InProgress, "1 of 2"},
		{"Rollout that is healthy", "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {generation: 3}\nstatus: {observedGeneration: '3', phase: Healthy}", health.Current, ""},
		{"Rollout with a status of an older spec", "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {generation: 3}\nstatus: {observedGeneration: '2', phase: Healthy}", health.InProgress, "has not seen"},
		{"Rollout that waits for somebody", "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nstatus: {phase: Paused, message: CanaryPauseStep}", health.InProgress, "CanaryPauseStep"},
		{"Rollout that is paused by its spec", "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nspec: {paused: true}\nstatus: {phase: Paused}", health.Current, "paused"},
		{"Rollout that was aborted", "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nstatus: {phase: Degraded, message: RolloutAborted}", health.Failed, "RolloutAborted"},
		{"Rollout that progresses", "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nstatus: {phase: Progressing, message: more replicas}", health.InProgress, "more replicas"},
		{"Certificate that was issued", "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {generation: 1}\nstatus: {conditions: [{type: Ready, status: 'True', observedGeneration: 1}]}", health.Current, ""},
		{"Certificate issued for an older spec", "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {generation: 2}\nstatus: {conditions: [{type: Ready, status: 'True', observedGeneration: 1}]}", health.InProgress, "has not seen"},
		{"Certificate that is being issued", "apiVersion: cert-manager.io/v1\nkind: Certificate\nstatus: {conditions: [{type: Ready, status: 'False', reason: DoesNotExist, message: issuing}, {type: Issuing, status: 'True'}]}", health.InProgress, "DoesNotExist: issuing"},
		{"Certificate that could not be issued", "apiVersion: cert-manager.io/v1\nkind: Certificate\nstatus: {conditions: [{type: Ready, status: 'False'}, {type: Issuing, status: 'False', reason: Failed, message: refused}]}", health.Failed, "refused"},
		{"CertificateRequest that was denied", "apiVersion: cert-manager.io/v1\nkind: CertificateRequest\nstatus: {conditions: [{type: Denied, status: 'True', message: by policy}]}", health.Failed, "by policy"},
		{"CertificateRequest that waits", "apiVersion: cert-manager.io/v1\nkind: CertificateRequest\nstatus: {conditions: [{type: Ready, status: 'False', reason: Pending}]}", health.InProgress, "Pending"},
		{"ClusterIssuer that is ready", "apiVersion: cert-manager.io/v1\nkind: ClusterIssuer\nstatus: {conditions: [{type: Ready, status: 'True'}]}", health.Current, ""},
		{"Issuer without an account", "apiVersion: cert-manager.io/v1\nkind: Issuer\nstatus: {conditions: [{type: Ready, status: 'False', reason: ErrRegisterACMEAccount, message: no}]}", health.InProgress, "ErrRegisterACMEAccount"},
		{"Order that is valid", "apiVersion: acme.cert-manager.io/v1\nkind: Order\nstatus: {state: valid}", health.Current, ""},
		{"Challenge that is invalid", "apiVersion: acme.cert-manager.io/v1\nkind: Challenge\nstatus: {state: invalid, reason: wrong answer}", health.Failed, "wrong answer"},
		{"Challenge that goes on", "apiVersion: acme.cert-manager.io/v1\nkind: Challenge\nstatus: {state: pending}", health.InProgress, "pending"},
		{"GatewayClass that was accepted", "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nstatus: {conditions: [{type: Accepted, status: 'True'}]}", health.Current, ""},
		{"GatewayClass with wrong parameters", "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nstatus: {conditions: [{type: Accepted, status: 'False', reason: InvalidParameters, message: no such}]}", health.Failed, "no such"},
		{"Gateway that is programmed", "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {generation: 1}\nstatus: {conditions: [{type: Accepted, status: 'True', observedGeneration: 1}, {type: Programmed, status: 'True', observedGeneration: 1}]}", health.Current, ""},
		{"Gateway programmed for an older spec", "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {generation: 2}\nstatus: {conditions: [{type: Accepted, status: 'True', observedGeneration: 2}, {type: Programmed, status: 'True', observedGeneration: 1}]}", health.InProgress, "has not seen"},
		{"Gateway without an address", "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nstatus: {conditions: [{type: Accepted, status: 'True'}, {type: Programmed, status: 'False', reason: AddressNotAssigned}]}", health.InProgress, "AddressNotAssigned"},
		{"Gateway that no controller has seen", "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nstatus: {conditions: [{type: Accepted, status: Unknown, reason: Pending, message: Waiting for controller}]}", health.InProgress, "Waiting for controller"},
		{"route that all parents have accepted", "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nspec: {parentRefs: [{name: g}]}\nstatus: {parents: [{parentRef: {name: g}, conditions: [{type: Accepted, status: 'True'}, {type: ResolvedRefs, status: 'True'}]}]}", health.Current, ""},
		{"route that one of its parents has not seen", "apiVersion: gateway.networking.k8s.io/v1\nkind: GRPCRoute\nspec: {parentRefs: [{name: g}, {name: h}]}\nstatus: {parents: [{parentRef: {name: g}, conditions: [{type: Accepted, status: 'True'}, {type: ResolvedRefs, status: 'True'}]}]}", health.InProgress, ""},
		{"route without its backend", "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nstatus: {parents: [{parentRef: {name: g}, conditions: [{type: Accepted, status: 'True'}, {type: ResolvedRefs, status: 'False', reason: BackendNotFound, message: no web}]}]}", health.InProgress, "parent g: BackendNotFound: no web"},
		{"route that is not allowed", "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nstatus: {parents: [{parentRef: {name: g}, conditions: [{type: Accepted, status: 'False', reason: NotAllowedByListeners}]}]}", health.Failed, "NotAllowedByListeners"},
		{"managed resource of Crossplane", "apiVersion: s3.aws.upbound.io/v1beta1\nkind: Bucket\nstatus: {conditions: [{type: Synced, status: 'True'}, {type: Ready, status: 'True'}]}", health.Current, ""},
		{"managed resource that is being made", "apiVersion: s3.aws.upbound.io/v1beta1\nkind: Bucket\nstatus: {conditions: [{type: Synced, status: 'True'}, {type: Ready, status: 'False', reason: Creating}]}", health.InProgress, "Creating"},
		{"managed resource with an error", "apiVersion: database.crossplane.io/v1\nkind: Instance\nstatus: {conditions: [{type: Synced, status: 'False', reason: ReconcileError, message: denied}]}", health.InProgress, "ReconcileError: denied"},
		{"managed resource that nobody has seen", "apiVersion: s3.aws.upbound.io/v1beta1\nkind: Bucket", health.InProgress, ""},
		{"package of Crossplane", "apiVersion: pkg.crossplane.io/v1\nkind: Provider\nstatus: {conditions: [{type: Installed, status: 'True'}, {type: Healthy, status: 'False', reason: UnhealthyPackageRevision}]}", health.InProgress, "UnhealthyPackageRevision"},
		{"revision of a package", "apiVersion: pkg.crossplane.io/v1\nkind: ProviderRevision\nstatus: {conditions: [{type: Healthy, status: 'True'}]}", health.Current, ""},
		{"definition of a composite", "apiVersion: apiextensions.crossplane.io/v1\nkind: CompositeResourceDefinition", health.InProgress, "not Established"},
		{"Composition", "apiVersion: apiextensions.crossplane.io/v1\nkind: Composition", health.Current, ""},
		{"ProviderConfig", "apiVersion: aws.upbound.io/v1beta1\nkind: ProviderConfig", health.Current, ""},
		{"Cluster of Cluster API", "apiVersion: cluster.x-k8s.io/v1beta1\nkind: Cluster\nmetadata: {generation: 1}\nstatus: {observedGeneration: 1, phase: Provisioned, conditions: [{type: Ready, status: 'True'}]}", health.Current, ""},
		{"Cluster of the newer API", "apiVersion: cluster.x-k8s.io/v1beta2\nkind: Cluster\nstatus: {phase: Provisioned, conditions: [{type: Available, status: 'False', reason: NotAvailable, message: no control plane}]}", health.InProgress, "no control plane"},
		{"Machine that has failed for good", "apiVersion: cluster.x-k8s.io/v1beta1\nkind: Machine\nstatus: {phase: Failed, failureMessage: no quota}", health.Failed, "no quota"},
		{"Machine that has failed in the newer API", "apiVersion: cluster.x-k8s.io/v1beta2\nkind: Machine\nstatus: {deprecated: {v1beta1: {failureMessage: no quota}}}", health.Failed, "no quota"},
		{"Machine that runs", "apiVersion: cluster.x-k8s.io/v1beta1\nkind: Machine\nstatus: {phase: Running}", health.Current, ""},
		{"Machine that is being made", "apiVersion: infrastructure.cluster.x-k8s.io/v1beta1\nkind: DockerMachine\nstatus: {phase: Provisioning}", health.InProgress, "Provisioning"},
		{"template of Cluster API", "apiVersion: infrastructure.cluster.x-k8s.io/v1beta1\nkind: DockerMachineTemplate", health.Current, ""},
		{"custom resource without a status", "apiVersion: example.com/v1\nkind: Gadget\nmetadata: {generation: 1}", health.Current, ""},
		{"request that was granted", "apiVersion: cert-manager.io/v1\nkind: CertificateRequest\nstatus: {conditions: [{type: Approved, status: 'True'}, {type: Ready, status: 'True', reason: Issued}]}", health.Current, ""},
		{"challenge that was met", "apiVersion: acme.cert-manager.io/v1\nkind: Challenge\nstatus: {state: valid}", health.Current, ""},
		{"order that goes on", "apiVersion: acme.cert-manager.io/v1\nkind: Order\nstatus: {state: pending}", health.InProgress, "pending"},
		{"order that was turned down", "apiVersion: acme.cert-manager.io/v1\nkind: Order\nstatus: {state: errored, reason: rate limit}", health.Failed, "rate limit"},
		{"issuer without an account", "apiVersion: cert-manager.io/v1\nkind: ClusterIssuer\nstatus: {conditions: [{type: Ready, status: 'False', reason: ErrRegisterACMEAccount}]}", health.InProgress, "ErrRegisterACMEAccount"},
		{"issuer that is ready", "apiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata: {generation: 1}\nstatus: {conditions: [{type: Ready, status: 'True', observedGeneration: 1}]}", health.Current, ""},
		{"namespace that nobody has seen", "apiVersion: v1\nkind: Namespace", health.InProgress, ""},
		{"accepted by its parent", "apiVersion: gateway.networking.k8s.io/v1\nkind: GRPCRoute\nspec: {parentRefs: [{name: g}]}\nstatus: {parents: [{parentRef: {name: g}, conditions: [{type: Accepted, status: 'True'}, {type: ResolvedRefs, status: 'True'}]}]}", health.Current, ""},
		{"not seen by its parent", "apiVersion: gateway.networking.k8s.io/v1\nkind: GRPCRoute\nspec: {parentRefs: [{name: g}]}", health.InProgress, "has not seen"},
		{"accepted by its parent", "apiVersion: gateway.networking.k8s.io/v1alpha2\nkind: TLSRoute\nspec: {parentRefs: [{name: g}]}\nstatus: {parents: [{parentRef: {name: g}, conditions: [{type: Accepted, status: 'True'}, {type: ResolvedRefs, status: 'True'}]}]}", health.Current, ""},
		{"not seen by its parent", "apiVersion: gateway.networking.k8s.io/v1alpha2\nkind: TLSRoute\nspec: {parentRefs: [{name: g}]}", health.InProgress, "has not seen"},
		{"accepted by its parent", "apiVersion: gateway.networking.k8s.io/v1alpha2\nkind: TCPRoute\nspec: {parentRefs: [{name: g}]}\nstatus: {parents: [{parentRef: {name: g}, conditions: [{type: Accepted, status: 'True'}, {type: ResolvedRefs, status: 'True'}]}]}", health.Current, ""},
		{"not seen by its parent", "apiVersion: gateway.networking.k8s.io/v1alpha2\nkind: TCPRoute\nspec: {parentRefs: [{name: g}]}", health.InProgress, "has not seen"},
		{"accepted by its parent", "apiVersion: gateway.networking.k8s.io/v1alpha2\nkind: UDPRoute\nspec: {parentRefs: [{name: g}]}\nstatus: {parents: [{parentRef: {name: g}, conditions: [{type: Accepted, status: 'True'}, {type: ResolvedRefs, status: 'True'}]}]}", health.Current, ""},
		{"not seen by its parent", "apiVersion: gateway.networking.k8s.io/v1alpha2\nkind: UDPRoute\nspec: {parentRefs: [{name: g}]}", health.InProgress, "has not seen"},
		{"kind without a status", "apiVersion: v1\nkind: ConfigMap", health.Current, ""},
	}
	tested := map[schema.GroupKind]map[health.Status]bool{}
	for _, c := range cases {
		obj := object(t, c.manifest)
		gk := obj.GroupVersionKind().GroupKind()
		if tested[gk] == nil {
			tested[gk] = map[health.Status]bool{}
		}
		tested[gk][c.want] = true
		t.Run(obj.GetKind()+"/"+c.reason, func(t *testing.T) {
			got := health.Evaluate(obj)
			if got.Status != c.want || !strings.Contains(got.Message, c.says) {
				t.Errorf("got %s: %q, want %s and %q", got.Status, got.Message, c.want, c.says)
			}
		})
	}
	readyAtOnce := map[string]bool{"CronJob": true, "Ingress": true}
	for _, gk := range health.KindsWithReaders() {
		if seen := tested[gk]; !seen[health.Current] || len(seen) < 2 && !readyAtOnce[gk.Kind] {
			t.Errorf("%s has a reader of its own, and is tested as %v only", gk, slices.Collect(maps.Keys(seen)))
		}
	}
}
