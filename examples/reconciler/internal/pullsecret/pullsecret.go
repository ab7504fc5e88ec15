// Package pullsecret reads the credentials for registries that objects name.
package pullsecret

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/fluxcd/pkg/apis/meta"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/sources"
	"github.com/gitopskit/gitopskit/source"
)

// DockerConfig returns the content of the Secret, else of the pull secrets of
// the service account, and nothing where neither is named.
func DockerConfig(ctx context.Context, c client.Reader, namespace string, ref *meta.LocalObjectReference, account string) ([]byte, error) {
	if ref != nil {
		return read(ctx, c, namespace, ref.Name)
	}
	if account == "" {
		return nil, nil
	}
	sa := &corev1.ServiceAccount{}
	key := client.ObjectKey{Namespace: namespace, Name: account}
	if err := c.Get(ctx, key, sa); apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("%w: the ServiceAccount %s does not exist: create it, or correct spec.serviceAccountName", source.ErrAuth, key)
	} else if err != nil {
		return nil, err
	}
	merged := dockerConfig{Auths: map[string]json.RawMessage{}}
	for _, s := range sa.ImagePullSecrets {
		if err := merged.add(ctx, c, namespace, s.Name); err != nil {
			return nil, err
		}
	}
	return json.Marshal(merged)
}

// dockerConfig is the content of a pull secret. Of several that know a
// registry the first counts, as for the images of a pod.
type dockerConfig struct {
	Auths map[string]json.RawMessage `json:"auths"`
}

func (d *dockerConfig) add(ctx context.Context, c client.Reader, namespace, name string) error {
	data, err := read(ctx, c, namespace, name)
	if err != nil {
		return err
	}
	var one dockerConfig
	if err := json.Unmarshal(data, &one); err != nil {
		return fmt.Errorf("%w: the Secret %s/%s: %s is no JSON", source.ErrAuth, namespace, name, corev1.DockerConfigJsonKey)
	}
	for registry, login := range one.Auths {
		if _, known := d.Auths[registry]; !known {
			d.Auths[registry] = login
		}
	}
	return nil
}

func read(ctx context.Context, c client.Reader, namespace, name string) ([]byte, error) {
	data, err := sources.Secret(ctx, c, namespace, &meta.LocalObjectReference{Name: name})
	if err != nil {
		return nil, err
	}
	config, ok := data[corev1.DockerConfigJsonKey]
	if !ok {
		return nil, fmt.Errorf("%w: the Secret %s/%s has no %s: make it with 'kubectl create secret docker-registry'",
			source.ErrAuth, namespace, name, corev1.DockerConfigJsonKey)
	}
	return config, nil
}
