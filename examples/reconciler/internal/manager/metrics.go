package manager

import (
	"errors"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/metrics"
)

// addMetrics tells of objects beside what controller-runtime tells of itself.
func addMetrics(mgr ctrl.Manager) (*metrics.Durations, error) {
	durations := metrics.NewDurations(mgr.GetClient())
	objects := &metrics.Objects{Client: mgr.GetClient(), Lists: []client.ObjectList{
		&api.GitRepositoryList{}, &api.OCIRepositoryList{}, &api.BucketList{}, &api.KustomizationList{},
		&api.ProviderList{}, &api.AlertList{}, &api.ReceiverList{},
		&api.ImageRepositoryList{}, &api.ImagePolicyList{}, &api.ImageUpdateAutomationList{},
	}}
	return durations, errors.Join(ctrlmetrics.Registry.Register(durations.Collector()), ctrlmetrics.Registry.Register(objects))
}
