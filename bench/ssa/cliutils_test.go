package ssa

import (
	"context"
	"errors"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
	"sigs.k8s.io/cli-utils/pkg/apply"
	"sigs.k8s.io/cli-utils/pkg/apply/event"
	"sigs.k8s.io/cli-utils/pkg/common"
	"sigs.k8s.io/cli-utils/pkg/inventory"
)

// cliUtils is the applier of sigs.k8s.io/cli-utils, with server-side apply.
type cliUtils struct {
	applier *apply.Applier
	info    inventory.Info
}

func newCLIUtils(b *testing.B, cfg *rest.Config, namespace string) *cliUtils {
	b.Helper()
	getter, err := newGetter(cfg)
	if err != nil {
		b.Fatal(err)
	}
	factory := cmdutil.NewFactory(getter)
	invClient, err := inventory.ClusterClientFactory{StatusPolicy: inventory.StatusPolicyNone}.NewClient(factory)
	if err != nil {
		b.Fatal(err)
	}
	applier, err := apply.NewApplierBuilder().WithFactory(factory).WithInventoryClient(invClient).Build()
	if err != nil {
		b.Fatal(err)
	}
	inv := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap"}}
	inv.SetNamespace(namespace)
	inv.SetName("bench-inventory")
	inv.SetLabels(map[string]string{common.InventoryLabel: "bench-" + namespace})
	return &cliUtils{applier: applier, info: inventory.WrapInventoryInfoObj(inv)}
}

func (u *cliUtils) name() string { return "cli-utils v0.37.2" }

func (u *cliUtils) apply(ctx context.Context, objects []*unstructured.Unstructured) error {
	own := make([]*unstructured.Unstructured, len(objects)) // it changes what it is given
	for i, o := range objects {
		own[i] = o.DeepCopy()
	}
	return u.run(ctx, own)
}

func (u *cliUtils) prune(ctx context.Context, _ []*unstructured.Unstructured) error {
	return u.run(ctx, nil)
}

func (u *cliUtils) run(ctx context.Context, objects []*unstructured.Unstructured) error {
	var errs []error
	for e := range u.applier.Run(ctx, u.info, objects, apply.ApplierOptions{
		ServerSideOptions: common.ServerSideOptions{ServerSideApply: true, ForceConflicts: true, FieldManager: "bench-cli-utils"},
		InventoryPolicy:   inventory.PolicyAdoptAll,
	}) {
		switch e.Type {
		case event.ErrorType:
			errs = append(errs, e.ErrorEvent.Err)
		case event.ApplyType:
			errs = append(errs, e.ApplyEvent.Error)
		case event.PruneType:
			errs = append(errs, e.PruneEvent.Error)
		}
	}
	return errors.Join(errs...)
}

// getter leads cli-utils to the cluster.
type getter struct {
	cfg       *rest.Config
	discovery discovery.CachedDiscoveryInterface
	mapper    meta.RESTMapper
}

func newGetter(cfg *rest.Config) (*getter, error) {
	dc, err := discovery.NewDiscoveryClientForConfig(cfg)
	if err != nil {
		return nil, err
	}
	cached := memory.NewMemCacheClient(dc)
	return &getter{cfg: cfg, discovery: cached, mapper: restmapper.NewDeferredDiscoveryRESTMapper(cached)}, nil
}

func (g *getter) ToRESTConfig() (*rest.Config, error) { return g.cfg, nil }
func (g *getter) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) {
	return g.discovery, nil
}
func (g *getter) ToRESTMapper() (meta.RESTMapper, error) { return g.mapper, nil }
func (g *getter) ToRawKubeConfigLoader() clientcmd.ClientConfig {
	return &clientcmd.DirectClientConfig{}
}
