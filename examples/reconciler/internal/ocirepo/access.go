package ocirepo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/fluxcd/pkg/apis/meta"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
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
	if opts.Auth, err = k.auth(ctx, repo); err != nil {
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

// auth takes the Secret of the object, else the pull secrets of the service
// account that it names.
func (k *Kind) auth(ctx context.Context, repo *api.OCIRepository) (oci.Auth, error) {
	if repo.Spec.SecretRef != nil {
		return k.pullSecret(ctx, repo.Namespace, repo.Spec.SecretRef)
	}
	if repo.Spec.ServiceAccountName == "" {
		return oci.Auth{}, nil
	}
	account := &corev1.ServiceAccount{}
	key := client.ObjectKey{Namespace: repo.Namespace, Name: repo.Spec.ServiceAccountName}
	if err := k.Get(ctx, key, account); apierrors.IsNotFound(err) {
		return oci.Auth{}, fmt.Errorf("%w: the ServiceAccount %s does not exist: create it, or correct spec.serviceAccountName", source.ErrAuth, key)
	} else if err != nil {
		return oci.Auth{}, err
	}
	merged := dockerConfig{Auths: map[string]json.RawMessage{}}
	for _, ref := range account.ImagePullSecrets {
		auth, err := k.pullSecret(ctx, repo.Namespace, &meta.LocalObjectReference{Name: ref.Name})
		if err != nil {
			return oci.Auth{}, err
		}
		var one dockerConfig
		if err := json.Unmarshal(auth.DockerConfig, &one); err != nil {
			return oci.Auth{}, fmt.Errorf("%w: the Secret %s/%s: %s is no JSON", source.ErrAuth, repo.Namespace, ref.Name, corev1.DockerConfigJsonKey)
		}
		for registry, login := range one.Auths {
			if _, known := merged.Auths[registry]; !known {
				merged.Auths[registry] = login
			}
		}
	}
	config, err := json.Marshal(merged)
	return oci.Auth{DockerConfig: config}, err
}

// dockerConfig is the content of a pull secret. Of several that know a
// registry the first counts, as for the images of a pod.
type dockerConfig struct {
	Auths map[string]json.RawMessage `json:"auths"`
}

func (k *Kind) pullSecret(ctx context.Context, namespace string, ref *meta.LocalObjectReference) (oci.Auth, error) {
	data, err := sources.Secret(ctx, k, namespace, ref)
	if err != nil {
		return oci.Auth{}, err
	}
	config, ok := data[corev1.DockerConfigJsonKey]
	if !ok {
		return oci.Auth{}, fmt.Errorf("%w: the Secret %s/%s has no %s: make it with 'kubectl create secret docker-registry'",
			source.ErrAuth, namespace, ref.Name, corev1.DockerConfigJsonKey)
	}
	return oci.Auth{DockerConfig: config}, nil
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
