package health

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// certManagerFailed are the reasons with which cert-manager says that a request
// was turned down, and not that it waits.
var certManagerFailed = []string{"Failed", "Denied", "InvalidRequest"}

// readCertificate takes a certificate for ready when it was issued for the
// present spec. Ready=False alone means that it is being issued; Issuing=False
// with a reason says that this has failed, until cert-manager tries again.
func readCertificate(obj *unstructured.Unstructured) Report {
	if conditionStale(obj, "Ready") {
		return Report{InProgress, notSeen}
	}
	ready, reason, message := condition(obj, "Ready")
	if ready == "True" {
		return Report{Status: Current}
	}
	if issuing, why, text := condition(obj, "Issuing"); issuing == "False" && slices.Contains(certManagerFailed, why) {
		return Report{Failed, reasoned(why, text)}
	}
	return waiting(reason, message, notSeen)
}

// readCertificateRequest tells a request that was turned down from one that is
// waited for.
func readCertificateRequest(obj *unstructured.Unstructured) Report {
	for _, refused := range []string{"Denied", "InvalidRequest"} {
		if status, reason, message := condition(obj, refused); status == "True" {
			return Report{Failed, reasoned(orElse(reason, refused), message)}
		}
	}
	ready, reason, message := condition(obj, "Ready")
	switch {
	case ready == "True":
		return Report{Status: Current}
	case slices.Contains(certManagerFailed, reason):
		return Report{Failed, reasoned(reason, message)}
	}
	return waiting(reason, message, notSeen)
}

// readIssuer takes an Issuer or ClusterIssuer for ready when it can sign.
func readIssuer(obj *unstructured.Unstructured) Report {
	if conditionStale(obj, "Ready") {
		return Report{InProgress, notSeen}
	}
	ready, reason, message := condition(obj, "Ready")
	if ready == "True" {
		return Report{Status: Current}
	}
	return waiting(reason, message, notSeen)
}

// readACME reads an Order or a Challenge by its state.
func readACME(obj *unstructured.Unstructured) Report {
	switch state := text(obj, "status", "state"); state {
	case "valid":
		return Report{Status: Current}
	case "invalid", "expired", "errored":
		return Report{Failed, orElse(text(obj, "status", "reason"), "state "+state)}
	default:
		return Report{InProgress, orElse(text(obj, "status", "reason"), "state "+orElse(state, "not known"))}
	}
}
