package ssa

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/restmapper"
)

// resource says where the objects of a kind are found.
type resource struct {
	gvr        schema.GroupVersionResource
	namespaced bool
}

// kinds finds resources of kinds, remembers what it found, and asks the
// cluster again when a kind is not known, but not for every object.
type kinds struct {
	mapper meta.RESTMapper

	mu    sync.Mutex
	found map[schema.GroupVersionKind]resource
	asked time.Time // when the mapper was last reset
}

// askAgain is how long an unknown kind stays unknown before discovery is asked
// once more.
const askAgain = 2 * time.Second

func newKinds(c *client, mapper meta.RESTMapper) (*kinds, error) {
	if mapper == nil {
		dc, err := discovery.NewDiscoveryClientForConfigAndClient(c.cfg, c.http)
		if err != nil {
			return nil, err
		}
		mapper = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(dc))
	}
	return &kinds{mapper: mapper, found: map[schema.GroupVersionKind]resource{}}, nil
}

// resource returns where objects of gvk are found; the error wraps
// ErrUnknownKind if the cluster does not serve it.
func (k *kinds) resource(gvk schema.GroupVersionKind) (resource, error) {
	k.mu.Lock()
	r, ok := k.found[gvk]
	k.mu.Unlock()
	if ok {
		return r, nil
	}
	m, err := k.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil && k.reset() {
		m, err = k.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	}
	if err != nil {
		return resource{}, k.explain(gvk, err)
	}
	r = resource{gvr: m.Resource, namespaced: m.Scope.Name() == meta.RESTScopeNameNamespace}
	k.mu.Lock()
	k.found[gvk] = r
	k.mu.Unlock()
	return r, nil
}

// anyVersion returns where objects of gk are found in whatever version is
// served, preferring the given one.
func (k *kinds) anyVersion(gk schema.GroupKind, version string) (resource, error) {
	r, err := k.resource(gk.WithVersion(version))
	if err == nil || !errors.Is(err, ErrUnknownKind) {
		return r, err
	}
	m, err := k.mapper.RESTMapping(gk)
	if err != nil {
		return resource{}, k.explain(gk.WithVersion(version), err)
	}
	return resource{gvr: m.Resource, namespaced: m.Scope.Name() == meta.RESTScopeNameNamespace}, nil
}

// forget drops what was found for gvk, so that a kind that was defined anew is
// looked up again.
func (k *kinds) forget(gk schema.GroupKind) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for gvk := range k.found {
		if gvk.GroupKind() == gk {
			delete(k.found, gvk)
		}
	}
	k.asked = time.Time{}
}

func (k *kinds) reset() bool {
	resettable, ok := k.mapper.(meta.ResettableRESTMapper)
	k.mu.Lock()
	due := ok && time.Since(k.asked) > askAgain
	if due {
		k.asked = time.Now()
	}
	k.mu.Unlock()
	if due {
		resettable.Reset()
	}
	return due
}

func (k *kinds) explain(gvk schema.GroupVersionKind, err error) error {
	if !meta.IsNoMatchError(err) {
		return fmt.Errorf("look up kind %s: %w", gvk.Kind, err)
	}
	hint := "install its CustomResourceDefinition, or correct apiVersion and kind"
	if others, err := k.mapper.RESTMappings(gvk.GroupKind()); err == nil && len(others) > 0 {
		hint = fmt.Sprintf("the cluster serves version %s of it", others[0].GroupVersionKind.Version)
	}
	return fmt.Errorf("%w: no %s in %s: %s", ErrUnknownKind, gvk.Kind, gvk.GroupVersion(), hint)
}
