// Command reconciler makes a Kubernetes cluster match what Git says. It reads
// the same custom resources as Flux's controllers, in one process.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := command().ExecuteContext(ctx)
	switch {
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "reconciler: interrupted")
	case err != nil:
		fmt.Fprintln(os.Stderr, "reconciler:", err)
	}
	os.Exit(exitCode(err))
}

// Exit codes of all commands.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// A usageError is an error in what was typed.
type usageError struct{ error }

func exitCode(err error) int {
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	return exitFailed
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "reconciler",
		Short: "Make a Kubernetes cluster match what Git says",
		Long: `reconciler makes a Kubernetes cluster match what Git says.

It reads the same custom resources as Flux's controllers (GitRepository,
OCIRepository, Bucket, Kustomization, Provider, Alert, Receiver, ImageRepository,
ImagePolicy and ImageUpdateAutomation) and does their work in one process: it
fetches, renders, applies, prunes, waits until all is healthy, puts right at once
what others change, tells who wants to know, and writes new images to Git.

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.Args = cobra.ArbitraryArgs
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return usageError{fmt.Errorf("unknown command %q; see 'reconciler --help'", args[0])}
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(runCommand(), installCommand(), checkCommand(), demoCommand(), versionCommand())
	return root
}
