package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/demo"
)

func demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Show on a cluster of its own what the reconciler does",
		Long: `Start a Kubernetes control plane on this machine, a Git repository with a sample
application and the reconciler, and show what happens when somebody pushes,
edits, deletes and breaks things. Then everything goes on running until Ctrl-C,
which removes all of it. No other cluster, and no kubeconfig, is touched.

With DEMO_EXIT=1 it ends after the story; the exit code is 1 if any step of it
did not happen.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			exit := os.Getenv("DEMO_EXIT")
			return demo.Run(cmd.Context(), demo.Options{Exit: exit != "" && exit != "0", Out: cmd.OutOrStdout()})
		},
	}
}
