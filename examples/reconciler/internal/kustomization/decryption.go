package kustomization

import (
	"context"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fluxcd/pkg/apis/meta"

	"github.com/gitopskit/gitopskit/render/kustomize"
	"github.com/gitopskit/gitopskit/render/sops"
)

// decrypter returns what opens SOPS files with the keys of the Secret that
// spec.decryption names; nil if the Kustomization asks for none.
func (u *run) decrypter(ctx context.Context) (kustomize.Decrypter, error) {
	spec := u.ks.Spec.Decryption
	if spec == nil {
		return nil, nil
	}
	refuse := func(format string, args ...any) error {
		return &failure{reason: meta.BuildFailedReason, err: fmt.Errorf("spec.decryption: "+format, args...)}
	}
	opts := sops.Options{}
	if spec.SecretRef != nil {
		key := client.ObjectKey{Namespace: u.ks.Namespace, Name: spec.SecretRef.Name}
		s := &corev1.Secret{}
		switch err := u.r.Get(ctx, key, s); {
		case apierrors.IsNotFound(err):
			return nil, refuse("the Secret %s does not exist: create it, or correct secretRef", key)
		case err != nil:
			return nil, err
		}
		var err error
		if opts.Sources, err = keySources(s.Data, os.Getenv("VAULT_ADDR")); err != nil {
			return nil, refuse("the Secret %s: %w", key, err)
		}
		opts.Secret = s.Data
	}
	d, err := sops.NewDecrypter(opts)
	if err != nil {
		return nil, refuse("%w", err)
	}
	return d, nil
}
