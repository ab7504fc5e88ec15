package manager

import (
	"context"
	"errors"
	"path/filepath"

	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/alerts"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/artifacts"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/bucketrepo"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/gitrepo"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/images"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/metrics"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/ocirepo"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/sources"
	"github.com/gitopskit/gitopskit/imagepolicy/scan"
	"github.com/gitopskit/gitopskit/source/git"
	"github.com/gitopskit/gitopskit/source/oci"
	"github.com/gitopskit/gitopskit/source/store"
)

// addSources registers a reconciler for each kind of source, and those of images,
// which write to Git.
func addSources(ctx context.Context, mgr ctrl.Manager, opts Options, files *store.Store, registry *artifacts.Registry, told *alerts.Alerts, durations *metrics.Durations) error {
	mirrors, err := git.OpenMirrors(filepath.Join(opts.StoragePath, "mirrors"), git.MirrorOptions{})
	if err != nil {
		return err
	}
	layers, err := oci.OpenCache(filepath.Join(opts.StoragePath, "oci"))
	if err != nil {
		return err
	}
	tags, err := scan.OpenStore(filepath.Join(opts.StoragePath, "tags"))
	if err != nil {
		return err
	}
	events := func(controller string) record.EventRecorder {
		return told.Recorder(recorder(mgr, controller), controller)
	}
	storage := &sources.Storage{Store: files, Address: opts.StorageAdvertised}
	reconciler := func(k sources.Kind) *sources.Reconciler {
		return &sources.Reconciler{
			Client: mgr.GetClient(), Kind: k, Events: events("source-controller"), Artifacts: registry, Storage: storage,
			Durations: durations,
		}
	}
	repos := &gitrepo.Kind{Client: mgr.GetClient(), Mirrors: mirrors, Artifacts: registry}
	found := &images.Images{
		Client: mgr.GetClient(), Git: repos, Store: tags, Durations: durations, NoCrossNamespaceRefs: opts.NoCrossNamespaceRefs,
		Reflector: events("image-reflector-controller"), Automation: events("image-automation-controller"),
	}
	return errors.Join(
		found.Setup(ctx, mgr, opts.Concurrent),
		repos.Setup(ctx, mgr, reconciler(repos), opts.Concurrent),
		reconciler(&ocirepo.Kind{Client: mgr.GetClient(), Cache: layers}).Setup(mgr, opts.Concurrent, nil),
		reconciler(&bucketrepo.Kind{Client: mgr.GetClient(), Dir: filepath.Join(opts.StoragePath, "buckets")}).Setup(mgr, opts.Concurrent, nil),
	)
}
