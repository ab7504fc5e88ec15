package inventory

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// statusAttempts bounds how often Save tries where the object changes all the
// time.
const statusAttempts = 10

// Status is a Store in the status of a custom resource, at
// status.inventory.entries, in the format of Flux's Kustomization: a list of
// objects with the fields id and v. The definition of the resource needs these
// in its schema, and the status subresource. UIDs are not kept.
//
// It is safe for concurrent use. Other fields of the status may be written by
// others all the time; an inventory that another process has written since the
// last Load makes Save fail with ErrConflict. The object has to be there.
type Status struct {
	client dynamic.ResourceInterface
	name   string
	ref    string // for errors

	mu     sync.Mutex
	loaded []byte // the entries as last seen
	known  bool   // loaded means something
}

// NewStatus returns a Store in the status of the named object; namespace is ""
// for resources that have none. It sends no request.
func NewStatus(cfg *rest.Config, resource schema.GroupVersionResource, namespace, name string) (*Status, error) {
	ref := fmt.Sprintf("%s %s/%s", resource.GroupResource(), namespace, name)
	if cfg == nil || resource.Resource == "" || resource.Version == "" || name == "" {
		return nil, &Error{Op: "open", Ref: ref, Err: errors.New("give a rest.Config, a resource with its version, and a name")}
	}
	cfg = rest.CopyConfig(cfg)
	cfg.QPS, cfg.RateLimiter = -1, nil
	client, err := dynamic.NewForConfig(cfg)
	if err != nil {
		return nil, &Error{Op: "open", Ref: ref, Err: err}
	}
	return &Status{client: client.Resource(resource).Namespace(namespace), name: name, ref: ref}, nil
}

// Load reads the inventory; a status without one is an empty one.
func (s *Status) Load(ctx context.Context) (*Inventory, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := s.client.Get(ctx, s.name, metav1.GetOptions{})
	if err != nil {
		return nil, &Error{Op: "load", Ref: s.ref, Err: err}
	}
	data, entries, err := statusEntries(u)
	if err == nil {
		s.loaded, s.known = data, true
		var inv *Inventory
		if inv, err = FromFlux(entries); err == nil {
			return inv, nil
		}
	}
	return nil, &Error{Op: "load", Ref: s.ref, Err: err}
}

// statusEntries returns the entries in an object's status, and their text.
func statusEntries(u *unstructured.Unstructured) ([]byte, []FluxEntry, error) {
	list, _, err := unstructured.NestedSlice(u.Object, "status", "inventory", "entries")
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	data, err := json.Marshal(list)
	if err != nil {
		return nil, nil, err
	}
	var entries []FluxEntry
	if err := json.Unmarshal(data, &entries); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	// What is compared is what it says, and no field that is not of the format.
	data, err = json.Marshal(entries)
	return data, entries, err
}

// Save writes the inventory, and nothing else of the status.
func (s *Status) Save(ctx context.Context, inv *Inventory) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.save(ctx, inv.Flux()); err != nil {
		return &Error{Op: "save", Ref: s.ref, Err: err}
	}
	return nil
}

func (s *Status) save(ctx context.Context, entries []FluxEntry) error {
	for attempt := 1; ; attempt++ {
		u, err := s.client.Get(ctx, s.name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		current, _, err := statusEntries(u)
		if err != nil {
			return err
		}
		if s.known && !bytes.Equal(current, s.loaded) {
			return fmt.Errorf("%w: load it again", ErrConflict)
		}
		s.loaded, s.known = current, true
		stored, err := s.patch(ctx, u, entries)
		if err == nil {
			s.loaded, _, err = statusEntries(stored)
			return errors.Join(err, keptAll(stored, entries))
		}
		if !apierrors.IsConflict(err) || attempt == statusAttempts {
			return err
		}
	}
}

// patch writes the entries into the object that was read, and no later state
// of it.
func (s *Status) patch(ctx context.Context, u *unstructured.Unstructured, entries []FluxEntry) (*unstructured.Unstructured, error) {
	body, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": u.GetUID(), "resourceVersion": u.GetResourceVersion()},
		"status":   map[string]any{"inventory": map[string]any{"entries": entries}},
	})
	if err != nil {
		return nil, err
	}
	return s.client.Patch(ctx, s.name, types.MergePatchType, body, metav1.PatchOptions{FieldManager: "inventory"}, "status")
}

// keptAll makes sure that the API server has stored the entries: what a schema
// does not have is dropped without a word.
func keptAll(u *unstructured.Unstructured, entries []FluxEntry) error {
	_, stored, err := statusEntries(u)
	if err == nil && len(stored) != len(entries) {
		err = fmt.Errorf("%d of %d entries were stored: the schema of the definition needs status.inventory.entries, a list of objects with the strings id and v", len(stored), len(entries))
	}
	return err
}
