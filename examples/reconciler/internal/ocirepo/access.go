package ocirepo

import (
	"context"
	"fmt"
	"net/url"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/pullsecret"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/sources"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/oci"
	"github.com/gitopskit/gitopskit/source/oci/cosign"
)

// clientOptions says how the registry is reached.
func (k *Kind) clientOptions(ctx context.Context, repo *api.OCIRepository) (oci.ClientOptions, error) {
	opts := oci.ClientOptions{}
	if repo.Spec.Timeout != nil {
		opts.Timeout = repo.Spec.Timeout.Duration
	}
	if repo.Spec.Insecure {
		if u, err := url.Parse(repo.Spec.URL); err == nil {
			opts.Insecure = []string{u.Host}
		}
	}
	var err error
	if opts.Auth.DockerConfig, err = pullsecret.DockerConfig(ctx, k, repo.Namespace, repo.Spec.SecretRef, repo.Spec.ServiceAccountName); err != nil {
		return opts, err
	}
	tls, err := sources.Secret(ctx, k, repo.Namespace, repo.Spec.CertSecretRef)
	if err != nil {
		return opts, err
	}
	opts.CA, opts.ClientCert, opts.ClientKey = tls["ca.crt"], tls["tls.crt"], tls["tls.key"]
	proxy, err := sources.Secret(ctx, k, repo.Namespace, repo.Spec.ProxySecretRef)
	opts.ProxyURL, opts.ProxyUsername, opts.ProxyPassword = string(proxy["address"]), string(proxy["username"]), string(proxy["password"])
	return opts, err
}

// verifier accepts what one of the keys of a Secret signed.
func (k *Kind) verifier(ctx context.Context, repo *api.OCIRepository) (oci.Verifier, error) {
	ref := repo.Spec.Verify.SecretRef
	data, err := sources.Secret(ctx, k, repo.Namespace, ref)
	if err != nil {
		return nil, fmt.Errorf("%w: spec.verify: %w", source.ErrVerification, err)
	}
	keys, err := cosign.KeysFromSecret(data)
	if err != nil {
		return nil, fmt.Errorf("%w: spec.verify: the Secret %s/%s: %w", source.ErrVerification, repo.Namespace, ref.Name, err)
	}
	return cosign.New(cosign.Options{Keys: keys})
}
