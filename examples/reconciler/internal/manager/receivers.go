package manager

import (
	"context"
	"fmt"
	"log/slog"
	"net"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/metrics"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/receivers"
)

// addReceivers serves webhooks, unless the address is 0.
func addReceivers(ctx context.Context, mgr ctrl.Manager, opts Options, durations *metrics.Durations) error {
	if opts.ReceiverAddr == "0" {
		return nil
	}
	r := receivers.New(mgr.GetClient(), durations, slog.New(logr.ToSlogHandler(mgr.GetLogger().WithName("receivers"))))
	r.NoCrossNamespaceRefs = opts.NoCrossNamespaceRefs
	if err := r.Setup(mgr, opts.Concurrent); err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", opts.ReceiverAddr)
	if err != nil {
		return fmt.Errorf("serve webhooks: %w: choose another --receiver-addr", err)
	}
	return mgr.Add(serve(listener, r.Handler))
}
