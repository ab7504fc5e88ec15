package sops

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// OptOut is the label or annotation that, with the value "disabled", keeps an
// object encrypted.
const OptOut = "kustomize.toolkit.fluxcd.io/decrypt"

// DecryptObject decrypts an object with a sops section, or the values of a
// Secret that are encrypted files. It returns obj itself where nothing is
// encrypted, else a new object; obj is not changed.
func (d *Decrypter) DecryptObject(ctx context.Context, obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if obj.GetAnnotations()[OptOut] == "disabled" || obj.GetLabels()[OptOut] == "disabled" {
		return obj, nil
	}
	ref := strings.TrimSpace(obj.GetKind() + " " + path.Join(obj.GetNamespace(), obj.GetName()))
	if mac, _, _ := unstructured.NestedString(obj.Object, "sops", "mac"); mac != "" {
		out, err := d.whole(ctx, obj)
		return out, asError(ref, err)
	}
	if obj.GetKind() == "Secret" && obj.GroupVersionKind().Group == "" {
		out, err := d.secretValues(ctx, obj)
		return out, asError(ref, err)
	}
	return obj, nil
}

// whole decrypts an object. Its order is not that of the file any more, so the
// MAC can't be computed; each value is authenticated with its path.
func (d *Decrypter) whole(ctx context.Context, obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	data, err := json.Marshal(obj.Object)
	if err != nil {
		return nil, err
	}
	docs, err := d.open(ctx, data, JSON, false)
	if err != nil {
		return nil, err
	}
	var plain bytes.Buffer
	if err := emitJSON(&plain, docs[0]); err != nil {
		return nil, fmt.Errorf("%w: no JSON after decryption", ErrFormat)
	}
	out := &unstructured.Unstructured{}
	if err := out.UnmarshalJSON(plain.Bytes()); err != nil {
		return nil, fmt.Errorf("%w: no Kubernetes object after decryption", ErrFormat)
	}
	return out, nil
}

func (d *Decrypter) secretValues(ctx context.Context, obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	out := obj
	set := func(value string, fields ...string) error {
		if out == obj {
			out = obj.DeepCopy()
		}
		return unstructured.SetNestedField(out.Object, value, fields...)
	}
	for _, field := range []string{"data", "stringData"} {
		values, _, _ := unstructured.NestedMap(obj.Object, field)
		for _, name := range slices.Sorted(maps.Keys(values)) {
			text, ok := values[name].(string)
			if !ok {
				continue
			}
			raw := []byte(text)
			if field == "data" {
				var err error
				if raw, err = base64.StdEncoding.DecodeString(text); err != nil {
					continue // the API reports it
				}
			}
			plain, err := d.DecryptFile(ctx, name, raw)
			if err != nil {
				e := asError("", err).(*Error) //nolint:errorlint // asError made it
				e.Field = strings.TrimSuffix(field+"."+name+"."+e.Field, ".")
				return nil, e
			}
			if bytes.Equal(plain, raw) {
				continue
			}
			value := string(plain)
			if field == "data" {
				value = base64.StdEncoding.EncodeToString(plain)
			}
			if err := set(value, field, name); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// IsEncryptedObject says whether an object has a sops section.
func IsEncryptedObject(obj *unstructured.Unstructured) bool {
	mac, _, _ := unstructured.NestedString(obj.Object, "sops", "mac")
	return mac != ""
}
