// Command artifact makes, moves, compares and verifies artifacts: folders of
// configuration in a registry, as Flux reads them.
//
//	artifact push   SOURCE oci://HOST/REPO:TAG   push a folder, a Git or OCI URL or a bucket
//	artifact pull   SOURCE FOLDER                write the files to a new folder
//	artifact diff   SOURCE SOURCE                list the files in which two differ
//	artifact list   oci://HOST/REPO              list tags
//	artifact tag    oci://HOST/REPO:TAG TAG…     add tags
//	artifact verify SOURCE --key FILE            check who signed a commit or an artifact
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/gitopskit/gitopskit/source"
)

const about = `Make, move, compare and verify artifacts: folders of configuration in a
registry, as Flux reads them.

A SOURCE is one of
  FOLDER                       a folder of this machine
  https://HOST/REPO#REF        a Git repository, by HTTPS or ssh://; REF is a full
                               name such as refs/heads/main, and HEAD if left out
  oci://HOST/REPO:TAG          an artifact; @sha256:… instead of :TAG names a digest
  s3://HOST/BUCKET/PREFIX      a bucket that speaks S3

Passwords are taken from the environment: REGISTRY_USER and REGISTRY_PASSWORD (else
what "docker login" left), GIT_USER and GIT_PASSWORD, AWS_ACCESS_KEY_ID and
AWS_SECRET_ACCESS_KEY. What was fetched is kept, and not fetched again.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 (diff --exit-code) there are
differences, 4 the signature is missing or wrong, 130 interrupted.`

// What scripts can tell apart.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitDifferent   = 3
	exitUnverified  = 4
	exitInterrupted = 130
)

var errDifferent = errors.New("the artifacts differ")

type usageError struct{ error }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run returns the exit code.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	cmd := command()
	cmd.SetArgs(args)
	cmd.SetOut(out)
	cmd.SetErr(errs)
	err := cmd.ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errDifferent):
		return exitDifferent
	case ctx.Err() != nil:
		fmt.Fprintln(errs, "artifact: interrupted")
		return exitInterrupted
	case errors.As(err, &usage):
		fmt.Fprintf(errs, "artifact: %v\nsee artifact --help\n", err)
		return exitUsage
	}
	fmt.Fprintln(errs, "artifact:", err)
	if errors.Is(err, source.ErrVerification) {
		return exitUnverified
	}
	return exitFailed
}

func command() *cobra.Command {
	s := &settings{}
	root := &cobra.Command{
		Use: "artifact", Short: "Make, move, compare and verify artifacts", Long: about,
		SilenceErrors: true, SilenceUsage: true, Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	s.flags(root.PersistentFlags())
	root.AddCommand(pushCommand(s), pullCommand(s), diffCommand(s), listCommand(s), tagCommand(s), verifyCommand(s))
	return root
}

func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("there is no command %q", args[0])}
	}
	return nil
}

// arguments checks how many there are; most is -1 for any number.
func arguments(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			return usageError{fmt.Errorf("usage: %s", cmd.UseLine())}
		}
		return nil
	}
}
