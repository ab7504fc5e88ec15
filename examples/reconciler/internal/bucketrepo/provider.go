package bucketrepo

import (
	"context"
	"errors"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/sources"
	"github.com/gitopskit/gitopskit/source/bucket"
	"github.com/gitopskit/gitopskit/source/bucket/azure"
	"github.com/gitopskit/gitopskit/source/bucket/gcs"
	"github.com/gitopskit/gitopskit/source/bucket/s3"
)

// secrets are those that a Bucket names.
type secrets struct {
	credentials, tls, proxy map[string][]byte
}

func (k *Kind) secrets(ctx context.Context, b *api.Bucket) (s secrets, err error) {
	if s.credentials, err = sources.Secret(ctx, k, b.Namespace, b.Spec.SecretRef); err != nil {
		return s, err
	}
	if s.tls, err = sources.Secret(ctx, k, b.Namespace, b.Spec.CertSecretRef); err != nil {
		return s, err
	}
	s.proxy, err = sources.Secret(ctx, k, b.Namespace, b.Spec.ProxySecretRef)
	return s, err
}

// provider says how the bucket is read.
func (k *Kind) provider(ctx context.Context, b *api.Bucket) (bucket.Provider, error) {
	if b.Spec.ServiceAccountName != "" {
		return nil, sources.Unsupported("spec.serviceAccountName", "name a Secret in spec.secretRef")
	}
	s, err := k.secrets(ctx, b)
	if err != nil {
		return nil, err
	}
	var p bucket.Provider
	switch b.Spec.Provider {
	case sourcev1.BucketProviderGoogle:
		o := gcs.Options{Bucket: b.Spec.BucketName, CA: s.tls["ca.crt"]}
		o.ProxyURL, o.ProxyUsername, o.ProxyPassword = proxy(s.proxy)
		p, err = gcs.New(o.WithSecret(s.credentials))
	case sourcev1.BucketProviderAzure:
		o := azure.Options{Endpoint: b.Spec.Endpoint, Container: b.Spec.BucketName, CA: s.tls["ca.crt"]}
		o.ProxyURL, o.ProxyUsername, o.ProxyPassword = proxy(s.proxy)
		p, err = azure.New(o.WithSecret(s.credentials))
	case sourcev1.BucketProviderAmazon:
		if b.Spec.SecretRef == nil {
			return nil, sources.Unsupported("spec.provider aws without a Secret", "name a Secret in spec.secretRef")
		}
		p, err = k.s3(ctx, b, s)
	default:
		p, err = k.s3(ctx, b, s)
	}
	var f *sources.Failure
	if err != nil && !errors.As(err, &f) {
		return nil, sources.Stalled(sourcev1.InvalidProviderConfigurationReason, err)
	}
	return p, err
}

func proxy(data map[string][]byte) (url, username, password string) {
	return string(data["address"]), string(data["username"]), string(data["password"])
}

func (k *Kind) s3(ctx context.Context, b *api.Bucket, s secrets) (bucket.Provider, error) {
	o := s3.Options{
		Endpoint: b.Spec.Endpoint, Bucket: b.Spec.BucketName, Region: b.Spec.Region, Insecure: b.Spec.Insecure,
		CA: s.tls["ca.crt"], ClientCert: s.tls["tls.crt"], ClientKey: s.tls["tls.key"],
	}
	o.ProxyURL, o.ProxyUsername, o.ProxyPassword = proxy(s.proxy)
	o = o.WithSecret(s.credentials)
	if b.Spec.STS == nil {
		return s3.New(o)
	}
	if b.Spec.STS.Provider != sourcev1.STSProviderLDAP {
		return nil, sources.Unsupported("spec.sts.provider "+b.Spec.STS.Provider, "use ldap, or a Secret")
	}
	tls, err := sources.Secret(ctx, k, b.Namespace, b.Spec.STS.CertSecretRef)
	if err != nil {
		return nil, err
	}
	login, err := sources.Secret(ctx, k, b.Namespace, b.Spec.STS.SecretRef)
	if err != nil {
		return nil, err
	}
	service := s3.STSOptions{Endpoint: b.Spec.STS.Endpoint, CA: tls["ca.crt"], ClientCert: tls["tls.crt"], ClientKey: tls["tls.key"]}
	service.ProxyURL, service.ProxyUsername, service.ProxyPassword = proxy(s.proxy)
	o.Identity = "ldap:" + string(login["username"])
	if o.Credentials, err = s3.LDAPIdentity(service, string(login["username"]), string(login["password"])); err != nil {
		return nil, sources.Stalled(sourcev1.InvalidSTSConfigurationReason, err)
	}
	return s3.New(o)
}
