// Package manager puts the reconciler together: the parts, the manager that
// runs them, and the servers for artifacts, metrics and health.
package manager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	ctrlmanager "sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/alerts"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/artifacts"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/kustomization"
	"github.com/gitopskit/gitopskit/render/kustomize"
	"github.com/gitopskit/gitopskit/source/store"
	"github.com/gitopskit/gitopskit/ssa"
)

// Options are what the command line says.
type Options struct {
	StoragePath       string
	StorageAddr       string
	ReceiverAddr      string
	StorageAdvertised string // default: StorageAddr, with this host's name
	MetricsAddr       string
	HealthAddr        string

	Namespace      string
	AllNamespaces  bool
	LabelSelector  string
	LeaderElection bool

	NoCrossNamespaceRefs  bool
	DefaultServiceAccount string
	Concurrent            int
	GracefulTimeout       time.Duration
}

// Run reconciles until ctx ends.
func Run(ctx context.Context, cfg *rest.Config, opts Options) error {
	mgr, err := newManager(cfg, opts)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", opts.StorageAddr)
	if err != nil {
		return fmt.Errorf("serve artifacts: %w: choose another --storage-addr", err)
	}
	if opts.StorageAdvertised == "" {
		opts.StorageAdvertised = listener.Addr().String()
	}
	if err := assemble(ctx, mgr, cfg, opts, listener); err != nil {
		return errors.Join(err, listener.Close())
	}
	return mgr.Start(ctx)
}

func newManager(cfg *rest.Config, opts Options) (ctrl.Manager, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), api.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	selected := labels.Everything()
	if opts.LabelSelector != "" {
		var err error
		if selected, err = labels.Parse(opts.LabelSelector); err != nil {
			return nil, fmt.Errorf("--watch-label-selector: %w", err)
		}
	}
	cached := cache.Options{ByObject: map[client.Object]cache.ByObject{
		&api.GitRepository{}: {Label: selected}, &api.OCIRepository{}: {Label: selected}, &api.Bucket{}: {Label: selected},
		&api.Kustomization{}: {Label: selected}, &api.Provider{}: {Label: selected}, &api.Alert{}: {Label: selected},
		&api.Receiver{}: {Label: selected}, &api.ImageRepository{}: {Label: selected}, &api.ImagePolicy{}: {Label: selected},
		&api.ImageUpdateAutomation{}: {Label: selected},
	}}
	if !opts.AllNamespaces {
		cached.DefaultNamespaces = map[string]cache.Config{opts.Namespace: {}}
	}
	lease, renew, retry := 35*time.Second, 30*time.Second, 5*time.Second
	cfg = rest.CopyConfig(cfg)
	cfg.QPS, cfg.Burst = 500, 1000
	return ctrl.NewManager(cfg, ctrl.Options{
		Scheme: scheme,
		Cache:  cached,
		// Secrets and ConfigMaps are read when they are needed: a cache would
		// hold all of the cluster's.
		Client:                        client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}, &corev1.ServiceAccount{}}}},
		Metrics:                       metricsserver.Options{BindAddress: opts.MetricsAddr},
		HealthProbeBindAddress:        opts.HealthAddr,
		LeaderElection:                opts.LeaderElection,
		LeaderElectionID:              "gitopskit-reconciler",
		LeaderElectionNamespace:       opts.Namespace,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 &lease,
		RenewDeadline:                 &renew,
		RetryPeriod:                   &retry,
		GracefulShutdownTimeout:       &opts.GracefulTimeout,
	})
}

// assemble makes the parts and registers them with the manager.
func assemble(ctx context.Context, mgr ctrl.Manager, cfg *rest.Config, opts Options, listener net.Listener) error {
	files, err := store.Open(filepath.Join(opts.StoragePath, "artifacts"), store.Options{})
	if err != nil {
		return err
	}
	applier, err := ssa.New(cfg, ssa.Options{
		FieldManager:  kustomization.FieldManager,
		MarkPrefix:    kustomization.MarkPrefix,
		TakeOver:      []string{"kubectl*", "before-first-apply"},
		WatchSelector: kustomization.OwnerSelector,
		Logger:        slog.New(logr.ToSlogHandler(mgr.GetLogger().WithName("apply"))),
	})
	if err != nil {
		return err
	}
	memory := &kustomization.Memory{Applier: applier, File: filepath.Join(opts.StoragePath, "in-sync.json")}
	memory.Restore(ctx)
	registry := &artifacts.Registry{}
	durations, err := addMetrics(mgr)
	if err != nil {
		return err
	}
	told := &alerts.Alerts{Client: mgr.GetClient(), Durations: durations, Events: recorder(mgr, "notification-controller"), NoCrossNamespaceRefs: opts.NoCrossNamespaceRefs}
	if err := told.Open(ctx, opts.StoragePath, slog.New(logr.ToSlogHandler(mgr.GetLogger().WithName("alerts")))); err != nil {
		return err
	}
	kustomizations := &kustomization.Reconciler{
		Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Durations: durations, Events: told.Recorder(recorder(mgr, "kustomize-controller"), "kustomize-controller"),
		Artifacts: registry, Builder: &kustomize.Builder{}, Applier: applier,
		DefaultServiceAccount: opts.DefaultServiceAccount, NoCrossNamespaceRefs: opts.NoCrossNamespaceRefs,
	}
	return errors.Join(
		addSources(ctx, mgr, opts, files, registry, told, durations),
		addReceivers(ctx, mgr, opts, durations),
		kustomizations.Setup(ctx, mgr, opts.Concurrent),
		told.Setup(ctx, mgr, opts.Concurrent),
		mgr.Add(told),
		mgr.Add(memory),
		mgr.Add(serve(listener, files.Handler())),
		mgr.AddHealthzCheck("ping", healthz.Ping),
		mgr.AddReadyzCheck("ping", healthz.Ping),
	)
}

// recorder makes events of the core API: those are what 'flux events' and
// dashboards read, and they can carry annotations.
func recorder(mgr ctrl.Manager, component string) record.EventRecorder {
	return mgr.GetEventRecorderFor(component) //nolint:staticcheck // the newer API has neither
}

// serve hands out artifacts until the manager stops.
func serve(listener net.Listener, h http.Handler) ctrlmanager.RunnableFunc {
	return func(ctx context.Context) error {
		server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
		failed := make(chan error, 1)
		go func() { failed <- server.Serve(listener) }()
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
		}
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err := server.Shutdown(stop)
		if served := <-failed; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	}
}
