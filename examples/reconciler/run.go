package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap/zapcore"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/manager"
)

func runCommand() *cobra.Command {
	var opts manager.Options
	var kubeconfig, logLevel, logEncoding string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Reconcile until stopped",
		Long: `Reconcile the custom resources of a cluster until stopped by a signal.

The cluster is that of --kubeconfig, of KUBECONFIG, or the one that this process
runs in. All state lives in the cluster and in --storage-path, which may be
lost: the process can be killed at any time.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := setUpLogs(logLevel, logEncoding); err != nil {
				return err
			}
			cfg, err := restConfig(kubeconfig)
			if err != nil {
				return err
			}
			return manager.Run(cmd.Context(), cfg, opts)
		},
	}
	f := cmd.Flags()
	f.StringVar(&kubeconfig, "kubeconfig", "", "file that leads to the cluster")
	f.StringVar(&opts.StoragePath, "storage-path", "/data", "folder for mirrors and artifacts")
	f.StringVar(&opts.StorageAddr, "storage-addr", ":9090", "address to serve artifacts at")
	f.StringVar(&opts.StorageAdvertised, "storage-adv-addr", "", "host and port under which others reach --storage-addr")
	f.StringVar(&opts.ReceiverAddr, "receiver-addr", ":9292", "address to take webhooks at; 0 for none, and no Receivers")
	f.StringVar(&opts.MetricsAddr, "metrics-addr", ":8080", "address to serve metrics at; 0 for none")
	f.StringVar(&opts.HealthAddr, "health-addr", ":9440", "address to serve /healthz and /readyz at; 0 for none")
	f.StringVar(&opts.Namespace, "runtime-namespace", "flux-system", "namespace that this process runs in")
	f.BoolVar(&opts.AllNamespaces, "watch-all-namespaces", true, "reconcile objects of all namespaces, not only of the runtime namespace")
	f.StringVar(&opts.LabelSelector, "watch-label-selector", "", "reconcile only objects with these labels")
	f.BoolVar(&opts.LeaderElection, "enable-leader-election", false, "let only one of several such processes work at a time")
	f.BoolVar(&opts.NoCrossNamespaceRefs, "no-cross-namespace-refs", false, "refuse references to sources of other namespaces")
	f.StringVar(&opts.DefaultServiceAccount, "default-service-account", "", "service account to act as where an object names none")
	f.IntVar(&opts.Concurrent, "concurrent", 10, "objects of a kind that are reconciled at the same time")
	f.DurationVar(&opts.GracefulTimeout, "graceful-shutdown-timeout", 30*time.Second, "how long a signal waits for work to end")
	f.StringVar(&logLevel, "log-level", "info", "trace, debug, info or error")
	f.StringVar(&logEncoding, "log-encoding", "json", "json or console")
	return cmd
}

// restConfig leads to the cluster of the file, of KUBECONFIG, or of the pod.
func restConfig(kubeconfig string) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	cfg, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("no cluster: %w: give --kubeconfig FILE", err)
	}
	return cfg, nil
}

var logLevels = map[string]zapcore.Level{"trace": -2, "debug": zapcore.DebugLevel, "info": zapcore.InfoLevel, "error": zapcore.ErrorLevel}

// setUpLogs sends the logs of the process, and of the libraries in it, to the
// standard error.
func setUpLogs(level, encoding string) error {
	lvl, ok := logLevels[level]
	if !ok {
		return usageError{fmt.Errorf("--log-level %q is none of trace, debug, info, error", level)}
	}
	opts := []zap.Opts{zap.Level(lvl), zap.StacktraceLevel(zapcore.PanicLevel)}
	switch encoding {
	case "json":
		opts = append(opts, zap.JSONEncoder(func(c *zapcore.EncoderConfig) { c.EncodeTime = zapcore.ISO8601TimeEncoder }))
	case "console":
		opts = append(opts, zap.ConsoleEncoder())
	default:
		return usageError{fmt.Errorf("--log-encoding %q is neither json nor console", encoding)}
	}
	logger := zap.New(opts...)
	ctrl.SetLogger(logger)
	klog.SetLoggerWithOptions(logger, klog.ContextualLogger(true))
	return nil
}

// withTimeout is context.WithTimeout, or no limit where d is zero.
func withTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d)
}
