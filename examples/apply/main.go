// Command apply makes a cluster match manifests: kubectl apply, with an inventory
// of what it owns, pruning, plans, live progress, and a wait until all is healthy.
//
//	apply -f ./deploy --inventory shop --plan
//	apply -f ./deploy --inventory shop --prune --wait
//
// Each file has one idea: the flags, reading manifests, the options of package
// ssa that the flags stand for, planning, applying, and the report.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/gitopskit/gitopskit/ssa"
	"github.com/gitopskit/gitopskit/ssa/health"
	"github.com/gitopskit/gitopskit/ssa/progress"
)

const about = `Make a cluster match manifests.

-f takes a folder (built as a kustomization if it is one, else all manifests
below it), a file, or - for the standard input. With --inventory NAME a ConfigMap
of that name keeps account of what is owned; --prune then deletes what has left
the manifests. Everything is validated by the API server before anything is
written; one error and nothing is.

Progress goes to the standard error, the plan or the result to the standard
output. Ctrl-C stops at once; what was done is in the inventory and is reported,
and doing it again goes on from there.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 (with --plan --exit-code) there is
something to do, 4 applied, but not healthy in time, 130 interrupted.`

const examples = `  apply -f ./deploy                                       apply a folder
  apply -f ./deploy --inventory shop --prune --wait       and delete what has left it, and wait
  kustomize build . | apply -f - -n shop                  from a pipe
  apply -f ./deploy --inventory shop --prune --plan -o markdown   for a pull request

  # Look first, and do then exactly what was looked at, or nothing:
  apply -f ./deploy --inventory shop --prune --plan -o json > plan.json
  apply -f ./deploy --inventory shop --prune --expect plan.json`

// What scripts can tell apart.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitChanges     = 3
	exitUnhealthy   = 4
	exitInterrupted = 130
)

// errChanges: a plan was asked for, and is not empty.
var errChanges = errors.New("there is something to do")

type usageError struct{ error }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second Ctrl-C ends the process
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run returns the exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	cmd := command()
	cmd.SetArgs(args)
	cmd.SetIn(in)
	cmd.SetOut(out)
	cmd.SetErr(errs)
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if errors.Is(err, errChanges) {
		return exitChanges
	}
	if ctx.Err() != nil {
		tell(errs, "interrupted; doing it again goes on from where this has stopped")
		return exitInterrupted
	}
	tell(errs, err.Error())
	var usage usageError
	var unhealthy *health.WaitError
	switch {
	case errors.As(err, &usage):
		tell(errs, "see apply --help")
		return exitUsage
	case errors.As(err, &unhealthy) && !errors.Is(err, ssa.ErrDependency):
		return exitUnhealthy
	}
	return exitFailed
}

func tell(w io.Writer, text string) {
	fmt.Fprintln(w, "apply:", progress.Printable(strings.TrimPrefix(text, "ssa: ")))
}

func command() *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use: "apply -f DIR|FILE|- [--inventory NAME] [--prune] [--wait] [--plan]", Short: "Make a cluster match manifests", Long: about, Example: examples,
		SilenceErrors: true, SilenceUsage: true, DisableFlagsInUseLine: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("%q is not a flag: give manifests by -f %s", args[0], args[0])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return usageError{err}
			}
			return o.run(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.CompletionOptions.HiddenDefaultCmd = true
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	o.flags(cmd.Flags())
	return cmd
}
