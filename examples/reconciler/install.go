package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/install"
	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
	"github.com/gitopskit/gitopskit/ssa/health"
)

func installCommand() *cobra.Command {
	opts := install.Options{}
	var kubeconfig string
	var export bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Put the reconciler into a cluster",
		Long: `Apply the CustomResourceDefinitions, the ServiceAccount with its rights, and the
Deployment of the reconciler, and wait until all is ready. Doing it again
upgrades. With --export the manifests are printed instead.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.Version = currentVersionLabel()
			objects, err := install.Manifests(opts)
			if err != nil {
				return err
			}
			if export {
				return install.Write(cmd.OutOrStdout(), objects)
			}
			cfg, err := restConfig(kubeconfig)
			if err != nil {
				return err
			}
			applier, err := ssa.New(cfg, ssa.Options{FieldManager: "flux", TakeOver: []string{"kubectl*"}})
			if err != nil {
				return err
			}
			ctx, cancel := withTimeout(cmd.Context(), timeout)
			defer cancel()
			out := cmd.ErrOrStderr()
			result, err := applier.Apply(ctx, objects, ssa.ApplyOptions{OnEvent: func(o ssa.ObjectResult) { fmt.Fprintln(out, o) }})
			if err != nil {
				return err
			}
			fmt.Fprintln(out, "waiting until all is ready")
			return waitInstalled(cmd, applier, result, timeout, out)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&export, "export", false, "print the manifests and apply nothing")
	f.BoolVar(&opts.CRDsOnly, "crds-only", false, "leave out everything but the CustomResourceDefinitions")
	f.StringVarP(&opts.Namespace, "namespace", "n", "flux-system", "namespace to install into")
	f.StringVar(&opts.Image, "image", "ghcr.io/gitopskit/reconciler:"+currentVersionLabel(), "container image of the reconciler")
	f.StringVar(&kubeconfig, "kubeconfig", "", "file that leads to the cluster")
	f.DurationVar(&timeout, "timeout", 5*time.Minute, "how long to wait; 0 for no limit")
	return cmd
}

func waitInstalled(cmd *cobra.Command, applier *ssa.Applier, result *ssa.Result, timeout time.Duration, out io.Writer) error {
	var entries []inventory.Entry
	for _, o := range result.Objects {
		entries = append(entries, inventory.Entry{Ref: o.Ref, Version: o.Version})
	}
	_, err := applier.Wait(cmd.Context(), entries, health.WaitOptions{
		Timeout: timeout, OnChange: func(o health.Observation) { fmt.Fprintln(out, o) },
	})
	var missing *health.WaitError
	if errors.As(err, &missing) {
		return fmt.Errorf("installed, but not ready: %w", err)
	}
	return err
}

// currentVersionLabel is the version in a form that labels and image tags
// allow.
func currentVersionLabel() string {
	if version == "" {
		return "dev"
	}
	return version
}
