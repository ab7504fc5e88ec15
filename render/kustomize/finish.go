package kustomize

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitopskit/gitopskit/render/envsubst"
)

// finish does what comes after the build: decryption, substitution, common
// metadata, in this order.
func finish(ctx context.Context, objects []*unstructured.Unstructured, o Options) ([]*unstructured.Unstructured, error) {
	if o.Decrypter != nil {
		var errs []error
		for i, obj := range objects {
			plain, err := o.Decrypter.DecryptObject(ctx, obj)
			if err != nil {
				ref := obj.GetKind() + " " + obj.GetNamespace() + "/" + obj.GetName()
				errs = append(errs, &Error{Op: "decrypt", Ref: ref, Err: fmt.Errorf("%w: %w", ErrDecrypt, err)})
				continue
			}
			objects[i] = plain
		}
		if len(errs) > 0 {
			return nil, errors.Join(errs...)
		}
	}
	objects, err := envsubst.Objects(objects, o.Substitute)
	if err != nil {
		return nil, &Error{Op: "substitute", Err: err}
	}
	for _, obj := range objects {
		if len(o.CommonLabels) > 0 {
			obj.SetLabels(merged(obj.GetLabels(), o.CommonLabels))
		}
		if len(o.CommonAnnotations) > 0 {
			obj.SetAnnotations(merged(obj.GetAnnotations(), o.CommonAnnotations))
		}
	}
	return objects, nil
}

func merged(have, over map[string]string) map[string]string {
	out := maps.Clone(have)
	if out == nil {
		out = make(map[string]string, len(over))
	}
	maps.Copy(out, over)
	return out
}
