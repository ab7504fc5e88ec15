// Package cli is the command line of localcluster.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/gitopskit/gitopskit/examples/localcluster/internal/cluster"
)

// Exit codes of the program.
const (
	ExitOK         = 0
	ExitFailed     = 1
	ExitUsage      = 2
	ExitNotRunning = 3
)

const about = `localcluster runs a real Kubernetes control plane on this machine: etcd,
kube-apiserver, kube-controller-manager, kube-scheduler, and KWOK, which plays
the kubelets: nodes and pods behave, but no container runs.

Pods do as their annotations say:
  gitopskit.github.io/pod: never-ready | crash-loop | image-pull | fail
  gitopskit.github.io/exit-code: "137"      (of crash-loop and fail)
  gitopskit.github.io/ready-after: 5s       (a slow start)
  gitopskit.github.io/run-for: 5s           (how long a Job's pod runs)

'localcluster kubectl ARGS' is kubectl, for machines that have none.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not running.`

// streams are where the commands read and write.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// usageError marks an error of the command line itself.
type usageError struct{ error }

// Run carries out the command line and returns the exit code.
func Run(args []string, in io.Reader, out, errOut io.Writer) (int, error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s := streams{in: in, out: out, err: errOut}
	root := &cobra.Command{
		Use: "localcluster", Short: "A real Kubernetes control plane on this machine", Long: about,
		SilenceUsage: true, SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errOut)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError{errors.New(err.Error() + "\nsee '" + c.CommandPath() + " --help'")}
	})
	root.AddCommand(upCommand(s), downCommand(s), statusCommand(s), listCommand(s), versionCommand(s))
	for _, c := range root.Commands() {
		c.Args = noArguments
	}
	root.Args = cobra.ArbitraryArgs
	root.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		return usageError{fmt.Errorf("unknown command %q\nsee 'localcluster --help'", args[0])}
	}
	err := root.ExecuteContext(ctx)
	return exitCode(err), err
}

func noArguments(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageError{errors.New("unexpected argument " + args[0] + "\nsee '" + c.CommandPath() + " --help'")}
}

func exitCode(err error) int {
	var usage usageError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &usage):
		return ExitUsage
	case errors.Is(err, cluster.ErrNotRunning), errors.Is(err, cluster.ErrUnknown):
		return ExitNotRunning
	default:
		return ExitFailed
	}
}
