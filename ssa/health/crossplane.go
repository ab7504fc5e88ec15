package health

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// crossplane returns the reader for kinds of Crossplane and of its providers,
// or nil. Composite resources have groups of their users' own, and are read by
// the general rules.
func crossplane(group, kind string) Reader {
	if !within(group, "crossplane.io") && !within(group, "upbound.io") {
		return nil
	}
	switch {
	case group == "pkg.crossplane.io" && strings.HasSuffix(kind, "Revision"):
		return conditionsTrue("Healthy")
	case group == "pkg.crossplane.io" && (kind == "Provider" || kind == "Configuration" || kind == "Function"):
		return conditionsTrue("Installed", "Healthy")
	case kind == "CompositeResourceDefinition":
		return conditionsTrue("Established")
	case group == "pkg.crossplane.io", group == "apiextensions.crossplane.io", strings.HasPrefix(kind, "ProviderConfig"), kind == "StoreConfig", kind == "Usage":
		return nil
	}
	return readManaged
}

// readManaged reads a managed resource: it is ready when what it stands for is,
// and was brought to its spec. An error of either is tried again by itself.
func readManaged(obj *unstructured.Unstructured) Report {
	for _, kind := range []string{"Synced", "Ready"} {
		status, reason, message := condition(obj, kind)
		if status != "True" {
			return waiting(reason, message, "not "+kind+" yet")
		}
	}
	return Report{Status: Current}
}

// conditionsTrue returns a reader that waits for conditions to be true.
func conditionsTrue(kinds ...string) Reader {
	return func(obj *unstructured.Unstructured) Report {
		for _, kind := range kinds {
			if status, reason, message := condition(obj, kind); status != "True" {
				return waiting(reason, message, "not "+kind+" yet")
			}
		}
		return Report{Status: Current}
	}
}

// within reports whether an API group is a domain, or below it.
func within(group, domain string) bool {
	return group == domain || strings.HasSuffix(group, "."+domain)
}
