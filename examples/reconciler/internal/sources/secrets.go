package sources

import (
	"context"
	"fmt"

	"github.com/fluxcd/pkg/apis/meta"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitopskit/gitopskit/source"
)

// Secret returns the data of a Secret, or nothing if ref is nil.
func Secret(ctx context.Context, c client.Reader, namespace string, ref *meta.LocalObjectReference) (map[string][]byte, error) {
	if ref == nil {
		return nil, nil
	}
	s := &corev1.Secret{}
	err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: ref.Name}, s)
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("%w: the Secret %s/%s does not exist: create it, or correct the reference to it", source.ErrAuth, namespace, ref.Name)
	}
	return s.Data, err
}

// Requested reports whether somebody asks to look now.
func Requested(o Object) bool {
	at, ok := meta.ReconcileAnnotationValue(o.GetAnnotations())
	return ok && at != o.GetLastHandledReconcileRequest()
}
