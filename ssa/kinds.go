package ssa

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
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
	ctx    meta.RESTMapperWithContext // the same
	log    logr.Logger

	mu    sync.Mutex
	found map[schema.GroupVersionKind]resource
	asked time.Time // when the mapper was last reset
	stale bool      // the mapper may know what is no longer so
}

// askAgain is how long an unknown kind stays unknown before discovery is asked
// once more.
const askAgain = 2 * time.Second

func newKinds(c *client, opts Options) (*kinds, error) {
	mapper := opts.Mapper
	if mapper == nil {
		dc, err := discovery.NewDiscoveryClientForConfigAndClient(c.cfg, c.http)
		if err != nil {
			return nil, err
		}
		mapper = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(dc))
	}
	return &kinds{mapper: mapper, ctx: meta.ToRESTMapperWithContext(mapper), log: logr.FromSlogHandler(opts.Logger.Handler()), found: map[schema.GroupVersionKind]resource{}}, nil
}

// resource returns where objects of gvk are found; the error wraps
// ErrUnknownKind if the cluster does not serve it.
func (k *kinds) resource(ctx context.Context, gvk schema.GroupVersionKind) (resource, error) {
	k.mu.Lock()
	r, ok := k.found[gvk]
	k.mu.Unlock()
	if ok {
		return r, nil
	}
	ctx = k.quiet(ctx)
	k.refresh()
	m, err := k.ctx.RESTMappingWithContext(ctx, gvk.GroupKind(), gvk.Version)
	if err != nil && ctx.Err() == nil && k.reset() {
		m, err = k.ctx.RESTMappingWithContext(ctx, gvk.GroupKind(), gvk.Version)
	}
	if err != nil {
		return resource{}, k.explain(ctx, gvk, err)
	}
	r = resource{gvr: m.Resource, namespaced: m.Scope.Name() == meta.RESTScopeNameNamespace}
	k.mu.Lock()
	k.found[gvk] = r
	k.mu.Unlock()
	return r, nil
}

// anyVersion returns where objects of gk are found in whatever version is
// served, preferring the given one.
func (k *kinds) anyVersion(ctx context.Context, gk schema.GroupKind, version string) (resource, error) {
	r, err := k.resource(ctx, gk.WithVersion(version))
	if err == nil || !errors.Is(err, ErrUnknownKind) {
		return r, err
	}
	ctx = k.quiet(ctx)
	m, err := k.ctx.RESTMappingWithContext(ctx, gk)
	if err != nil {
		return resource{}, k.explain(ctx, gk.WithVersion(version), err)
	}
	return resource{gvr: m.Resource, namespaced: m.Scope.Name() == meta.RESTScopeNameNamespace}, nil
}

// preferred returns the version of a kind that the cluster prefers.
func (k *kinds) preferred(ctx context.Context, gk schema.GroupKind) (string, error) {
	m, err := k.ctx.RESTMappingWithContext(k.quiet(ctx), gk)
	if err != nil {
		return "", err
	}
	return m.GroupVersionKind.Version, nil
}

// forget drops what was found for a kind, so that the cluster is asked again
// for one that was defined anew, or is no longer defined.
func (k *kinds) forget(gk schema.GroupKind) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for gvk := range k.found {
		if gvk.GroupKind() == gk {
			delete(k.found, gvk)
		}
	}
	k.asked, k.stale = time.Time{}, true
}

// refresh resets the mapper if something was forgotten since it last was.
func (k *kinds) refresh() {
	k.mu.Lock()
	stale := k.stale
	k.stale = false
	k.mu.Unlock()
	if stale {
		k.reset()
	}
}

// quiet returns a context with which client-go's discovery logs to our logger
// and does not print.
func (k *kinds) quiet(ctx context.Context) context.Context { return logr.NewContext(ctx, k.log) }

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

func (k *kinds) explain(ctx context.Context, gvk schema.GroupVersionKind, err error) error {
	if !meta.IsNoMatchError(err) {
		return fmt.Errorf("look up kind %s: %w", gvk.Kind, err)
	}
	hint := "install its CustomResourceDefinition, or correct apiVersion and kind"
	if others, err := k.ctx.RESTMappingsWithContext(ctx, gvk.GroupKind()); err == nil && len(others) > 0 {
		hint = fmt.Sprintf("the cluster serves version %s of it", others[0].GroupVersionKind.Version)
	}
	return fmt.Errorf("%w: no %s in %s: %s", ErrUnknownKind, gvk.Kind, gvk.GroupVersion(), hint)
}
