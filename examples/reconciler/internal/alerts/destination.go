package alerts

import (
	"context"
	"fmt"
	"strings"

	"github.com/fluxcd/pkg/apis/meta"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
	"github.com/gitopskit/gitopskit/notify"
	"github.com/gitopskit/gitopskit/notify/provider"
	"github.com/gitopskit/gitopskit/notify/provider/celstatus"
)

// destination says where and how a Provider sends.
func (a *Alerts) destination(ctx context.Context, p *api.Provider) (notify.Destination, error) {
	d := notify.Destination{}
	if p.Spec.ServiceAccountName != "" {
		return d, fmt.Errorf("spec.serviceAccountName is not supported by this version of the reconciler: name a Secret in spec.secretRef")
	}
	if p.Spec.Timeout != nil {
		d.Timeout = p.Spec.Timeout.Duration
	}
	c := provider.Config{
		Type: p.Spec.Type, Address: p.Spec.Address, Channel: p.Spec.Channel, Username: p.Spec.Username, UID: string(p.UID),
		Proxy: provider.Proxy{URL: p.Spec.Proxy}, HTTP: a.pool,
	}
	if err := a.secrets(ctx, p, &c); err != nil {
		return d, err
	}
	for _, s := range []string{c.Address, c.Token, c.Password, c.Proxy.Password} {
		if s != "" && s != p.Spec.Address {
			d.Secrets = append(d.Secrets, s)
		}
	}
	if p.Spec.CommitStatusExpr != "" && isCommitStatus(p.Spec.Type) {
		e, err := celstatus.Compile(p.Spec.CommitStatusExpr)
		if err != nil {
			return d, fmt.Errorf("spec.commitStatusExpr: %w", err)
		}
		object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(p)
		if err != nil {
			return d, err
		}
		c.CommitStatus = e.For(celstatus.Objects{Provider: object})
	}
	var err error
	d.Sender, err = provider.New(c)
	return d, err
}

// secrets fills in what the Secrets of a Provider hold; the address of a Secret
// wins.
func (a *Alerts) secrets(ctx context.Context, p *api.Provider, c *provider.Config) error {
	data, err := a.secret(ctx, p, p.Spec.SecretRef)
	if err != nil {
		return err
	}
	text := func(key string) string { return strings.TrimSpace(string(data[key])) }
	c.Token, c.Password = text("token"), text("password")
	if address := text("address"); address != "" {
		c.Address = address
	}
	if name := text("username"); name != "" {
		c.Username = name
	}
	if err := yaml.Unmarshal(data["headers"], &c.Headers); err != nil {
		return fmt.Errorf("the Secret %s/%s: headers is no YAML map of texts", p.Namespace, p.Spec.SecretRef.Name)
	}
	c.NATS = provider.NATS{Creds: data["creds"], NKey: data["nkey"]}
	tls, err := a.secret(ctx, p, p.Spec.CertSecretRef)
	if err != nil {
		return err
	}
	first := func(keys ...string) []byte {
		for _, k := range keys {
			if v := tls[k]; len(v) > 0 {
				return v
			}
		}
		return nil
	}
	c.TLS = provider.TLS{CA: first("ca.crt", "caFile"), Cert: first("tls.crt", "certFile"), Key: first("tls.key", "keyFile")}
	through, err := a.secret(ctx, p, p.Spec.ProxySecretRef)
	if err == nil && through != nil {
		c.Proxy = provider.Proxy{URL: string(through["address"]), Username: string(through["username"]), Password: string(through["password"])}
	}
	return err
}

func (a *Alerts) secret(ctx context.Context, p *api.Provider, ref *meta.LocalObjectReference) (map[string][]byte, error) {
	if ref == nil {
		return nil, nil
	}
	s := &corev1.Secret{}
	err := a.Get(ctx, client.ObjectKey{Namespace: p.Namespace, Name: ref.Name}, s)
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("the Secret %s/%s does not exist: create it, or correct the reference to it", p.Namespace, ref.Name)
	}
	return s.Data, err
}
