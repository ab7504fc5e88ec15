// Command operator is an operator that owns its children by packages ssa and
// inventory: for each Site it keeps a Deployment, a Service and a ConfigMap.
//
// What a Site no longer wants is deleted, what somebody changes by hand is put
// right at once, and nothing is written where nothing has changed.
//
//	operator --install    # the CustomResourceDefinition
//	operator
//
// site.go says what a Site wants: make it yours, and the rest can stay as it is.
// reconcile.go brings that about: one Apply creates, updates and prunes, one Wait
// tells what is not healthy and why. main.go joins both with controller-runtime.
//
// Children are owned by an inventory in the Site's status and not by
// ownerReferences: they may be of any kind, in other namespaces or in none, and
// what left the set is known without a list of every kind that it may be. A
// finalizer takes them away with the Site.
//
// The account that it runs as needs get, list, watch, create, patch and delete of
// Deployments, Services and ConfigMaps; get, list, watch and patch of Sites; and
// patch of sites/status. It keeps nothing that is lost when it ends, so it may be
// killed at any time; to run it twice, set manager.Options.LeaderElection.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/gitopskit/gitopskit/ssa"
)

const fieldManager = "site-operator"

func main() {
	kubeconfig := flag.String("kubeconfig", os.Getenv("KUBECONFIG"), "`file` that names the cluster; default: the cluster that this runs in")
	namespace := flag.String("namespace", "", "look after the Sites of this `namespace` only")
	install := flag.Bool("install", false, "put the CustomResourceDefinition of Site into the cluster, and end")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "operator: unexpected argument %q\n", flag.Arg(0))
		flag.Usage()
		os.Exit(2)
	}
	ctrl.SetLogger(zap.New())
	ctx := ctrl.SetupSignalHandler()
	cfg, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err == nil && *install {
		err = installDefinition(ctx, cfg)
	} else if err == nil {
		err = run(ctx, cfg, *namespace)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "operator:", err)
		os.Exit(1)
	}
}

func installDefinition(ctx context.Context, cfg *rest.Config) error {
	crd, err := definition()
	if err != nil {
		return err
	}
	applier, err := ssa.New(cfg, ssa.Options{FieldManager: fieldManager})
	if err != nil {
		return err
	}
	_, err = applier.Apply(ctx, []*unstructured.Unstructured{crd}, ssa.ApplyOptions{Wait: true})
	return err
}

// run looks after Sites until ctx ends.
func run(ctx context.Context, cfg *rest.Config, namespace string) error {
	opts := manager.Options{Metrics: server.Options{BindAddress: "0"}}
	if namespace != "" {
		opts.Cache.DefaultNamespaces = map[string]cache.Config{namespace: {}}
	}
	mgr, err := ctrl.NewManager(cfg, opts)
	if err != nil {
		return err
	}
	applier, err := ssa.New(cfg, ssa.Options{FieldManager: fieldManager})
	if err != nil {
		return err
	}
	r := &reconciler{Client: mgr.GetClient(), cfg: cfg, applier: applier}
	drifted := make(chan event.GenericEvent)
	if err := mgr.Add(manager.RunnableFunc(func(ctx context.Context) error { return r.watch(ctx, drifted) })); err != nil {
		return err
	}
	err = ctrl.NewControllerManagedBy(mgr).
		Named("site").
		For(newSite(), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WatchesRawSource(source.Channel(drifted, &handler.EnqueueRequestForObject{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: 4}).
		Complete(r)
	if err != nil {
		return err
	}
	return mgr.Start(ctx)
}
