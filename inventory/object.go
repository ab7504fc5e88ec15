package inventory

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

const (
	// plainSize is up to what size an inventory is stored as readable JSON;
	// beyond it, it is compressed.
	plainSize = 256 << 10
	// shardSize is how many bytes one object holds. The API server takes objects
	// of up to 1.5 MiB, ConfigMaps and Secrets of 1 MiB.
	shardSize = 700 << 10
	// maxDecoded bounds what is unpacked.
	maxDecoded = 256 << 20

	keyPlain  = "inventory.json"
	keyPacked = "inventory.json.gz"
	keyShards = "shards"     // how many there are
	keyPrefix = "shard-name" // their names without the number

	// labelOf marks all objects of a store with the name of its head.
	labelOf = "gitopskit.github.io/inventory"
)

// Object is a Store in a ConfigMap or a Secret, and in more of them where one
// has too little room: those are written first, and the one with the store's
// name, which points to them, last, so that there is a whole inventory at any
// instant. It is safe for concurrent use; writes of another process since the
// last Load make Save fail with ErrConflict.
type Object struct {
	client    dynamic.ResourceInterface
	kind      string
	namespace string
	name      string

	mu     sync.Mutex
	loaded *unstructured.Unstructured // the head as last seen; nil if there was none
	known  bool                       // loaded means something
}

// NewConfigMap returns a Store in the ConfigMap of the given name. It sends no
// request.
func NewConfigMap(cfg *rest.Config, namespace, name string) (*Object, error) {
	return newObject(cfg, "ConfigMap", "configmaps", namespace, name)
}

// NewSecret returns a Store in the Secret of the given name. It sends no
// request.
func NewSecret(cfg *rest.Config, namespace, name string) (*Object, error) {
	return newObject(cfg, "Secret", "secrets", namespace, name)
}

func newObject(cfg *rest.Config, kind, resource, namespace, name string) (*Object, error) {
	if cfg == nil || namespace == "" || name == "" {
		return nil, &Error{Op: "open", Ref: kind, Err: errors.New("give a rest.Config, a namespace and a name")}
	}
	cfg = rest.CopyConfig(cfg)
	cfg.QPS, cfg.RateLimiter = -1, nil
	client, err := dynamic.NewForConfig(cfg)
	if err != nil {
		return nil, &Error{Op: "open", Ref: kind, Err: err}
	}
	gvr := schema.GroupVersionResource{Version: "v1", Resource: resource}
	return &Object{client: client.Resource(gvr).Namespace(namespace), kind: kind, namespace: namespace, name: name}, nil
}

func (o *Object) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Op: op, Ref: fmt.Sprintf("%s %s/%s", o.kind, o.namespace, o.name), Err: err}
}

// Load reads the inventory; an object that does not exist is an empty one.
func (o *Object) Load(ctx context.Context) (*Inventory, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	inv, err := o.load(ctx)
	return inv, o.wrap("load", err)
}

// loadAttempts bounds how often an inventory is read that is written all the time.
const loadAttempts = 5

func (o *Object) load(ctx context.Context) (*Inventory, error) {
	before := ""
	for attempt := 1; ; attempt++ {
		head, err := o.get(ctx, o.name)
		if err != nil {
			return nil, err
		}
		o.loaded, o.known = head, true
		if head == nil {
			return New(), nil
		}
		inv, err := o.read(ctx, head)
		// Somebody who has written the head anew has removed the shards of the old one.
		if !errors.Is(err, errShardMissing) || head.GetResourceVersion() == before || attempt == loadAttempts {
			return inv, err
		}
		before = head.GetResourceVersion()
	}
}

var errShardMissing = fmt.Errorf("%w: a shard is missing", ErrMalformed)

func (o *Object) get(ctx context.Context, name string) (*unstructured.Unstructured, error) {
	u, err := o.client.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return u, err
}

// read puts together what the head has, or points to.
func (o *Object) read(ctx context.Context, head *unstructured.Unstructured) (*Inventory, error) {
	plain, err := o.value(head, keyPlain)
	if err != nil || plain != nil {
		return decode(plain, err)
	}
	packed, err := o.value(head, keyPacked)
	if err != nil {
		return nil, err
	}
	if packed == nil {
		if packed, err = o.readShards(ctx, head); err != nil {
			return nil, err
		}
	}
	return decode(unpack(packed))
}

func decode(data []byte, err error) (*Inventory, error) {
	if err != nil {
		return nil, err
	}
	return Decode(data)
}

func (o *Object) readShards(ctx context.Context, head *unstructured.Unstructured) ([]byte, error) {
	count, prefix, err := o.shards(head)
	if err != nil {
		return nil, err
	}
	if count == 0 {
		return nil, fmt.Errorf("%w: it has none of the keys %s, %s and %s", ErrMalformed, keyPlain, keyPacked, keyShards)
	}
	var packed []byte
	for i := range count {
		shard, err := o.get(ctx, prefix+strconv.Itoa(i))
		if err != nil {
			return nil, err
		}
		if shard == nil {
			return nil, fmt.Errorf("%w: %s %s%d", errShardMissing, o.kind, prefix, i)
		}
		part, err := o.value(shard, keyPacked)
		if err != nil {
			return nil, err
		}
		packed = append(packed, part...)
	}
	return packed, nil
}

func (o *Object) shards(head *unstructured.Unstructured) (count int, prefix string, err error) {
	n, err := o.value(head, keyShards)
	if err != nil || n == nil {
		return 0, "", err
	}
	if count, err = strconv.Atoi(string(n)); err != nil || count < 0 {
		return 0, "", fmt.Errorf("%w: %s is %q", ErrMalformed, keyShards, n)
	}
	name, err := o.value(head, keyPrefix)
	return count, string(name), err
}

// value returns the bytes under a key, nil if it is not there.
func (o *Object) value(u *unstructured.Unstructured, key string) ([]byte, error) {
	if o.kind == "ConfigMap" {
		if s, ok, _ := unstructured.NestedString(u.Object, "data", key); ok {
			return []byte(s), nil
		}
	}
	field := "data"
	if o.kind == "ConfigMap" {
		field = "binaryData"
	}
	s, ok, _ := unstructured.NestedString(u.Object, field, key)
	if !ok {
		return nil, nil
	}
	data, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("%w: %s is not base64", ErrMalformed, key)
	}
	return data, nil
}

// Save writes inv. It fails with ErrConflict, and changes nothing, if somebody
// else has written the object since it was loaded.
func (o *Object) Save(ctx context.Context, inv *Inventory) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.wrap("save", o.save(ctx, inv))
}

func (o *Object) save(ctx context.Context, inv *Inventory) error {
	data, err := inv.Encode()
	if err != nil {
		return err
	}
	if !o.known {
		if o.loaded, err = o.get(ctx, o.name); err != nil {
			return err
		}
		o.known = true
	}
	content := map[string][]byte{keyPlain: data}
	if len(data) > plainSize {
		packed, err := pack(data)
		if err != nil {
			return err
		}
		content = map[string][]byte{keyPacked: packed}
		if len(packed) > shardSize {
			if content, err = o.writeShards(ctx, packed); err != nil {
				return err
			}
		}
	}
	sharded := content[keyShards] != nil || hasShards(o.loaded)
	if err := o.writeHead(ctx, content); err != nil || !sharded {
		return err
	}
	return o.sweep(ctx, string(content[keyPrefix]))
}

// hasShards reports whether a head points to shards.
func hasShards(head *unstructured.Unstructured) bool {
	if head == nil {
		return false
	}
	_, ok, _ := unstructured.NestedString(head.Object, "data", keyShards)
	return ok
}

// writeShards writes the parts under names that no other Save has, and returns
// what the head says of them.
func (o *Object) writeShards(ctx context.Context, packed []byte) (map[string][]byte, error) {
	var unique [8]byte
	rand.Read(unique[:]) // never fails
	prefix := fmt.Sprintf("%s-%s-", o.name, hex.EncodeToString(unique[:]))
	n := 0
	for ; len(packed) > 0; n++ {
		part := packed[:min(shardSize, len(packed))]
		packed = packed[len(part):]
		shard := o.object(prefix+strconv.Itoa(n), map[string][]byte{keyPacked: part})
		if _, err := o.client.Create(ctx, shard, metav1.CreateOptions{FieldManager: "gitopskit-inventory"}); err != nil {
			return nil, err
		}
	}
	return map[string][]byte{keyShards: []byte(strconv.Itoa(n)), keyPrefix: []byte(prefix)}, nil
}

func (o *Object) writeHead(ctx context.Context, content map[string][]byte) error {
	head := o.object(o.name, content)
	var err error
	if o.loaded == nil {
		head, err = o.client.Create(ctx, head, metav1.CreateOptions{FieldManager: "gitopskit-inventory"})
	} else {
		head.SetResourceVersion(o.loaded.GetResourceVersion())
		head.SetAnnotations(o.loaded.GetAnnotations())
		head.SetOwnerReferences(o.loaded.GetOwnerReferences())
		labels := o.loaded.GetLabels()
		if labels == nil {
			labels = map[string]string{}
		}
		labels[labelOf] = o.label()
		head.SetLabels(labels)
		head, err = o.client.Update(ctx, head, metav1.UpdateOptions{FieldManager: "gitopskit-inventory"})
	}
	switch {
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err), o.loaded != nil && apierrors.IsNotFound(err):
		o.known = false
		return fmt.Errorf("%w: load it again: %w", ErrConflict, err)
	case apierrors.IsRequestEntityTooLargeError(err):
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	case err != nil:
		return err
	}
	o.loaded = head
	return nil
}

// sweep removes shards that the head does not point to, unless they are younger
// than the head: they belong to a Save that has loaded this head, and is about to
// write the next one.
func (o *Object) sweep(ctx context.Context, keep string) error {
	list, err := o.client.List(ctx, metav1.ListOptions{LabelSelector: labelOf + "=" + o.label()})
	if err != nil {
		return err
	}
	var errs []error
	for _, u := range list.Items {
		name := u.GetName()
		if name == o.name || keep != "" && strings.HasPrefix(name, keep) || !olderRV(u.GetResourceVersion(), o.loaded.GetResourceVersion()) {
			continue
		}
		if err := o.client.Delete(ctx, name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// olderRV reports whether resource version a is known to be older than b.
func olderRV(a, b string) bool {
	x, errA := strconv.ParseUint(a, 10, 64)
	y, errB := strconv.ParseUint(b, 10, 64)
	return errA == nil && errB == nil && x < y
}

// label is a label value for the store's name, which may be longer than those
// can be.
func (o *Object) label() string {
	if len(o.name) <= 63 {
		return o.name
	}
	sum := sha256.Sum256([]byte(o.name))
	return hex.EncodeToString(sum[:16])
}

func (o *Object) object(name string, content map[string][]byte) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": o.kind}}
	u.SetNamespace(o.namespace)
	u.SetName(name)
	u.SetLabels(map[string]string{labelOf: o.label()})
	text, binary := map[string]any{}, map[string]any{}
	for k, v := range content {
		if k == keyPacked || o.kind == "Secret" {
			binary[k] = base64.StdEncoding.EncodeToString(v)
		} else {
			text[k] = string(v)
		}
	}
	if o.kind == "Secret" {
		u.Object["data"] = binary
		return u
	}
	u.Object["data"], u.Object["binaryData"] = text, binary
	return u
}

func pack(data []byte) ([]byte, error) {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(data)
	err = errors.Join(err, w.Close())
	return out.Bytes(), err
}

func unpack(packed []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	data, err := io.ReadAll(io.LimitReader(r, maxDecoded+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if len(data) > maxDecoded {
		return nil, fmt.Errorf("%w: more than %d bytes when unpacked", ErrMalformed, maxDecoded)
	}
	return data, nil
}
