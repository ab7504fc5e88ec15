package health

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

// A Reader reads the status of objects of one kind.
type Reader func(obj *unstructured.Unstructured) Report

// readers are for kinds whose status the general rules misread.
var readers = map[schema.GroupKind]Reader{
	{Kind: "Namespace"}:             readNamespace,
	{Kind: "Pod"}:                   readPod,
	{Kind: "Service"}:               readService,
	{Kind: "PersistentVolume"}:      readPV,
	{Kind: "PersistentVolumeClaim"}: readPVC,

	{Group: "apps", Kind: "Deployment"}:                               readDeployment,
	{Group: "apps", Kind: "StatefulSet"}:                              readStatefulSet,
	{Group: "apps", Kind: "DaemonSet"}:                                readDaemonSet,
	{Group: "batch", Kind: "Job"}:                                     readJob,
	{Group: "batch", Kind: "CronJob"}:                                 readCronJob,
	{Group: "networking.k8s.io", Kind: "Ingress"}:                     readIngress,
	{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}:           readHPA,
	{Group: "policy", Kind: "PodDisruptionBudget"}:                    readPDB,
	{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}: readDefinition,
	{Group: "apiregistration.k8s.io", Kind: "APIService"}:             readAPIService,
	{Group: "flagger.app", Kind: "Canary"}:                            readCanary,
	{Group: "argoproj.io", Kind: "Rollout"}:                           readRollout,
	{Group: "cert-manager.io", Kind: "Certificate"}:                   readCertificate,
	{Group: "cert-manager.io", Kind: "CertificateRequest"}:            readCertificateRequest,
	{Group: "cert-manager.io", Kind: "Issuer"}:                        readIssuer,
	{Group: "cert-manager.io", Kind: "ClusterIssuer"}:                 readIssuer,
	{Group: "acme.cert-manager.io", Kind: "Order"}:                    readACME,
	{Group: "acme.cert-manager.io", Kind: "Challenge"}:                readACME,
	{Group: "gateway.networking.k8s.io", Kind: "GatewayClass"}:        readGatewayClass,
	{Group: "gateway.networking.k8s.io", Kind: "Gateway"}:             readGateway,
	{Group: "gateway.networking.k8s.io", Kind: "HTTPRoute"}:           readRoute,
	{Group: "gateway.networking.k8s.io", Kind: "GRPCRoute"}:           readRoute,
	{Group: "gateway.networking.k8s.io", Kind: "TLSRoute"}:            readRoute,
	{Group: "gateway.networking.k8s.io", Kind: "TCPRoute"}:            readRoute,
	{Group: "gateway.networking.k8s.io", Kind: "UDPRoute"}:            readRoute,
}

// Evaluate returns the status of an object as it stands. Kinds without a
// reader of their own are read by the rules of kstatus: generation first, then
// the conditions Reconciling, Stalled, Ready and their like.
//
// It sees the object alone. Whether a Canary of Flagger has seen its target as it
// is now, only Waiter.Wait finds out.
func Evaluate(obj *unstructured.Unstructured) Report {
	if obj.GetDeletionTimestamp() != nil {
		return Report{Terminating, deletionMessage(obj)}
	}
	if read := readerFor(obj.GroupVersionKind().GroupKind()); read != nil {
		return read(obj)
	}
	return general(obj)
}

func deletionMessage(obj *unstructured.Unstructured) string {
	if f := obj.GetFinalizers(); len(f) > 0 {
		return fmt.Sprintf("being deleted, held by finalizers %v", f)
	}
	return "being deleted"
}

// general reads a status by the rules of kstatus.
func general(obj *unstructured.Unstructured) Report {
	res, err := status.Compute(obj)
	if err != nil {
		return Report{Unknown, err.Error()}
	}
	r := Report{Message: res.Message}
	switch res.Status {
	case status.CurrentStatus:
		return Report{Status: Current}
	case status.FailedStatus:
		r.Status = Failed
	case status.InProgressStatus:
		r.Status = InProgress
	case status.TerminatingStatus:
		r.Status = Terminating
	case status.NotFoundStatus:
		r.Status = NotFound
	default:
		r.Status = Unknown
	}
	return r
}

// staticKinds have no status by design: they are as their spec says as soon as
// they are there.
var staticKinds = map[schema.GroupKind]bool{
	{Kind: "ConfigMap"}: true, {Kind: "Secret"}: true, {Kind: "ServiceAccount"}: true, {Kind: "LimitRange"}: true,
	{Group: "rbac.authorization.k8s.io", Kind: "Role"}:                              true,
	{Group: "rbac.authorization.k8s.io", Kind: "RoleBinding"}:                       true,
	{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole"}:                       true,
	{Group: "rbac.authorization.k8s.io", Kind: "ClusterRoleBinding"}:                true,
	{Group: "scheduling.k8s.io", Kind: "PriorityClass"}:                             true,
	{Group: "storage.k8s.io", Kind: "StorageClass"}:                                 true,
	{Group: "networking.k8s.io", Kind: "IngressClass"}:                              true,
	{Group: "networking.k8s.io", Kind: "NetworkPolicy"}:                             true,
	{Group: "admissionregistration.k8s.io", Kind: "MutatingWebhookConfiguration"}:   true,
	{Group: "admissionregistration.k8s.io", Kind: "ValidatingWebhookConfiguration"}: true,
}

// Static reports whether objects of a kind have no status by design, so that
// there is nothing to wait for once they exist.
func Static(gk schema.GroupKind) bool { return staticKinds[gk] }

// number returns the integer at the end of path, or otherwise.
func number(obj *unstructured.Unstructured, otherwise int64, path ...string) int64 {
	if n, ok, err := unstructured.NestedInt64(obj.Object, path...); ok && err == nil {
		return n
	}
	return otherwise
}

func text(obj *unstructured.Unstructured, path ...string) string {
	s, _, _ := unstructured.NestedString(obj.Object, path...)
	return s
}

// condition returns status, reason and message of a condition; "" if it is not
// there.
func condition(obj *unstructured.Unstructured, kind string) (status, reason, message string) {
	list, _, _ := unstructured.NestedSlice(obj.Object, "status", "conditions")
	for _, c := range list {
		m, ok := c.(map[string]any)
		if ok && m["type"] == kind {
			status, _ = m["status"].(string)
			reason, _ = m["reason"].(string)
			message, _ = m["message"].(string)
			return status, reason, message
		}
	}
	return "", "", ""
}

// stale reports whether the status is about an older spec.
func stale(obj *unstructured.Unstructured) bool {
	return number(obj, obj.GetGeneration(), "status", "observedGeneration") < obj.GetGeneration()
}
