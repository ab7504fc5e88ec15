package kustomize

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/resmap"
)

// convert makes objects of the library's result; size is that of their JSON.
func convert(m resmap.ResMap) (objects []*unstructured.Unstructured, size int64, err error) {
	objects = make([]*unstructured.Unstructured, 0, m.Size())
	for _, r := range m.Resources() {
		data, err := r.MarshalJSON()
		if err != nil {
			return nil, 0, &Error{Op: "convert", Err: fmt.Errorf("%w: %s: %w", ErrInvalid, r.CurId(), err)}
		}
		obj := &unstructured.Unstructured{}
		if err := obj.UnmarshalJSON(data); err != nil {
			return nil, 0, &Error{Op: "convert", Err: fmt.Errorf("%w: %s: %w", ErrInvalid, r.CurId(), err)}
		}
		size += int64(len(data))
		objects = append(objects, obj)
	}
	return objects, size, nil
}
