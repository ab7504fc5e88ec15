package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/gitopskit/gitopskit/examples/localcluster/internal/cluster"
)

const aboutUp = `Starts a cluster and keeps it running until Ctrl-C or SIGTERM; with --detach, in
the background until 'localcluster down'. Its data is kept from run to run unless
--ephemeral is given.

A component that ends on its own is reported with the end of its log and started
again; one that crashes five times in a row ends the cluster. The data folder has
status.json (what runs, with process ids), logs/, kubeconfig, and pki/. While
there is a file hold-kube-apiserver (or of another component) in it, that
component is not started again when it ends.`

type upFlags struct {
	opts      cluster.Options
	detach    bool
	output    string
	withStdin bool
}

func upCommand(s streams) *cobra.Command {
	var f upFlags
	c := &cobra.Command{
		Use: "up", Short: "Start a cluster", Long: aboutUp,
		Example: `  localcluster up
  localcluster up --name demo --nodes 3 --detach
  KUBECONFIG=~/.local/state/gitopskit/localcluster/demo/kubeconfig kubectl get nodes`,
		RunE: func(c *cobra.Command, _ []string) error { return up(c, s, f) },
	}
	fs := c.Flags()
	fs.StringVar(&f.opts.Name, "name", "", `name of the instance (default "default")`)
	fs.IntVar(&f.opts.Nodes, "nodes", 1, "number of nodes")
	fs.StringVar(&f.opts.DataDir, "data-dir", "", "folder for everything the instance keeps (default one by name below $"+cluster.HomeEnv+" or ~/.local/state)")
	fs.StringVar(&f.opts.Kubeconfig, "kubeconfig", "", "also add the admin's access to this file; the data folder's own kubeconfig is always written")
	fs.IntVar(&f.opts.Port, "port", 0, "port of the API server on 127.0.0.1 (default the last one, or any free one)")
	fs.BoolVar(&f.detach, "detach", false, "return when the cluster is ready and leave it running")
	fs.BoolVar(&f.opts.Ephemeral, "ephemeral", false, "remove the data when the cluster ends; implies --unsafe-no-fsync")
	fs.BoolVar(&f.opts.UnsafeNoFsync, "unsafe-no-fsync", false, "faster: etcd does not wait for the disk")
	fs.DurationVar(&f.opts.ReadyTimeout, "timeout", 0, "how long the start may take (default 2m)")
	fs.IntVarP(&f.opts.Verbosity, "verbosity", "v", 0, "-v of the Kubernetes components")
	fs.StringVarP(&f.output, "output", "o", "text", "what to print when ready: text, json or none")
	fs.BoolVar(&f.withStdin, "exit-with-stdin", false, "end when standard input closes, for a program that owns the cluster")
	return c
}

func up(c *cobra.Command, s streams, f upFlags) error {
	switch f.output {
	case "text", "json", "none":
	default:
		return usageError{fmt.Errorf("--output %q: use text, json or none", f.output)}
	}
	if c.Flags().Changed("nodes") && f.opts.Nodes < 1 {
		return usageError{fmt.Errorf("--nodes %d: use 1 to 5000", f.opts.Nodes)}
	}
	f.opts.Progress = s.err
	show := func(st cluster.Status) { printReady(s.out, st, f.output, f.detach) }
	if f.detach {
		if f.opts.Ephemeral && f.opts.Name == "" {
			return usageError{fmt.Errorf("--detach --ephemeral needs a --name to end it by")}
		}
		args := []string{}
		for _, a := range os.Args[1:] {
			if a != "--detach" && a != "--detach=true" {
				args = append(args, a)
			}
		}
		st, err := cluster.Detach(c.Context(), f.opts, append(args, "--output=none"))
		if err != nil {
			return err
		}
		show(st)
		return nil
	}
	ctx := c.Context()
	if f.withStdin {
		ctx = untilClosed(ctx, s.in)
	}
	f.opts.OnReady = show
	return cluster.Up(ctx, f.opts)
}

// untilClosed returns a context that ends when nothing more comes from in.
func untilClosed(ctx context.Context, in io.Reader) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, in)
		cancel()
	}()
	return ctx
}

func printReady(w io.Writer, st cluster.Status, output string, detached bool) {
	switch output {
	case "none":
		return
	case "json":
		_ = json.NewEncoder(w).Encode(st)
		return
	}
	end := "end it with Ctrl-C"
	if detached {
		end = "end it with: localcluster down --name " + st.Name
	}
	fmt.Fprintf(w, "\nKubernetes %s at %s\n  export KUBECONFIG=%s\n  logs in %s\n  %s\n",
		st.Version, st.Server, st.Kubeconfig, cluster.LogDir(st.DataDir), end)
}
