package main

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/render/helm/release"
	"github.com/gitopskit/gitopskit/ssa/health"
)

// byWatch lets releases wait by watching instead of polling.
func byWatch(config *rest.Config) (release.Waiter, error) {
	d, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	w, err := health.NewWaiter(config, restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(d)))
	if err != nil {
		return nil, err
	}
	return release.WaiterFunc(func(ctx context.Context, objects []*unstructured.Unstructured, timeout time.Duration) error {
		var entries []inventory.Entry
		for _, o := range objects {
			gvk := o.GroupVersionKind()
			entries = append(entries, inventory.Entry{
				Ref:     inventory.Ref{Group: gvk.Group, Kind: gvk.Kind, Namespace: o.GetNamespace(), Name: o.GetName()},
				Version: gvk.Version,
			})
		}
		_, err := w.Wait(ctx, entries, health.WaitOptions{Timeout: timeout, FailFast: true})
		return err
	}), nil
}
