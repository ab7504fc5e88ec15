// Package alerts sends the reconciler's events to where Provider and Alert
// objects say.
package alerts

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/record"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/metrics"
	"github.com/gitopskit/gitopskit/notify"
	"github.com/gitopskit/gitopskit/notify/provider"
)

// Alerts keeps the destinations of a dispatcher at what the Providers and Alerts
// of the cluster say.
type Alerts struct {
	client.Client
	// Events tells of objects that make no sense. They go to the cluster only.
	Events record.EventRecorder
	// NoCrossNamespaceRefs refuses Alerts about objects of other namespaces.
	NoCrossNamespaceRefs bool
	// Durations times reconciliations.
	Durations *metrics.Durations

	dispatcher *notify.Dispatcher
	journal    *notify.Journal
	pool       *provider.Pool
}

// Open makes the dispatcher. What it takes is kept below dir until it is
// delivered, also when the process ends in between.
func (a *Alerts) Open(ctx context.Context, dir string, log *slog.Logger) error {
	journal, err := notify.OpenJournal(filepath.Join(dir, "events"), notify.JournalOptions{})
	if err != nil {
		return err
	}
	a.journal, a.pool = journal, provider.NewPool()
	a.dispatcher, err = notify.New(ctx, notify.Options{Store: journal, Logger: log})
	return err
}

// Start implements manager.Runnable: it sends until ctx ends, and then what
// waits.
func (a *Alerts) Start(ctx context.Context) error {
	err := a.dispatcher.Run(ctx)
	a.pool.Close()
	return errors.Join(err, a.journal.Close())
}

// NeedLeaderElection implements manager.LeaderElectionRunnable: one process
// sends, the one that reconciles.
func (a *Alerts) NeedLeaderElection() bool { return true }

// warn tells of an object that makes no sense.
func (a *Alerts) warn(o client.Object, reason string, err error) {
	a.Events.Event(o, corev1.EventTypeWarning, reason, err.Error())
}
