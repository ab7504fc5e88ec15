package kustomization

import (
	"fmt"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
)

// checkSupported refuses what this reconciler can't do, rather than leave it
// out without a word.
func checkSupported(ks *api.Kustomization) error {
	unsupported := func(field string) error {
		return &failure{reason: "Unsupported", stalled: true,
			err: fmt.Errorf("spec.%s is not supported by this version of the reconciler: remove it", field)}
	}
	switch {
	case ks.Spec.KubeConfig != nil:
		return unsupported("kubeConfig")
	case ks.Spec.Decryption != nil && ks.Spec.Decryption.Provider != "sops":
		return unsupported("decryption.provider " + ks.Spec.Decryption.Provider)
	case ks.Spec.Decryption != nil && ks.Spec.Decryption.ServiceAccountName != "":
		return unsupported("decryption.serviceAccountName")
	case newSource(ks.Spec.SourceRef.Kind) == nil:
		return unsupported("sourceRef.kind " + ks.Spec.SourceRef.Kind)
	}
	return nil
}
