package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/component-base/version"

	"github.com/gitopskit/gitopskit/examples/localcluster/internal/cluster"
)

func statusCommand(s streams) *cobra.Command {
	var name, output string
	c := &cobra.Command{
		Use: "status", Short: "Show what an instance does",
		Long: "Shows an instance and its components. The exit code is 0 when it is ready, 3 when it does not run, 1 in between.",
		RunE: func(*cobra.Command, []string) error {
			e, err := cluster.Find(name)
			if err != nil {
				return err
			}
			st, err := cluster.ReadLiveStatus(e.DataDir)
			if err != nil {
				return err
			}
			if output == "json" {
				enc := json.NewEncoder(s.out)
				enc.SetIndent("", "  ")
				err = enc.Encode(st)
			} else {
				err = printStatus(s.out, st)
			}
			if err != nil {
				return err
			}
			return phaseError(st)
		},
	}
	c.Flags().StringVar(&name, "name", "default", "name of the instance")
	c.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return c
}

func phaseError(st cluster.Status) error {
	switch st.Phase {
	case cluster.PhaseReady:
		return nil
	case cluster.PhaseStopped:
		return fmt.Errorf("cluster %q is %w", st.Name, cluster.ErrNotRunning)
	default:
		return fmt.Errorf("cluster %q is %s", st.Name, st.Phase)
	}
}

func printStatus(w io.Writer, st cluster.Status) error {
	fmt.Fprintf(w, "name        %s\nphase       %s\nserver      %s\nversion     %s\nkubeconfig  %s\ndata        %s\n\n",
		st.Name, st.Phase, st.Server, st.Version, st.Kubeconfig, st.DataDir)
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "COMPONENT\tSTATE\tPID\tRESTARTS\tSINCE\tLOG")
	for _, c := range st.Components {
		fmt.Fprintf(tw, "%s\t%s\t%d\t%d\t%s\t%s\n", c.Name, c.State, c.PID, c.Restarts, c.Since.Format(time.RFC3339), c.Log)
	}
	return tw.Flush()
}

func listCommand(s streams) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use: "list", Short: "List the instances",
		RunE: func(*cobra.Command, []string) error {
			entries, err := cluster.List()
			if err != nil {
				return err
			}
			all := []cluster.Status{}
			for _, e := range entries {
				st, err := cluster.ReadLiveStatus(e.DataDir)
				if err != nil { // it ended before it had a status
					st = cluster.Status{Name: e.Name, DataDir: e.DataDir, Phase: cluster.PhaseStopped}
				}
				all = append(all, st)
			}
			if output == "json" {
				return json.NewEncoder(s.out).Encode(all)
			}
			return printList(s.out, all)
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return c
}

func printList(w io.Writer, all []cluster.Status) error {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "NAME\tPHASE\tSERVER\tDATA")
	for _, st := range all {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", st.Name, st.Phase, st.Server, st.DataDir)
	}
	return tw.Flush()
}

func versionCommand(s streams) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version of Kubernetes in this binary",
		Run: func(*cobra.Command, []string) { fmt.Fprintln(s.out, version.Get().GitVersion) },
	}
}
