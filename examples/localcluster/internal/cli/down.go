package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/gitopskit/gitopskit/examples/localcluster/internal/cluster"
)

func downCommand(s streams) *cobra.Command {
	var (
		name       string
		all, purge bool
	)
	c := &cobra.Command{
		Use: "down", Short: "End a cluster",
		Long: "Ends a cluster and waits until it has ended. Its data stays for the next 'up' unless --purge is given.",
		RunE: func(c *cobra.Command, _ []string) error {
			entries, err := chosen(name, all)
			if err != nil {
				return err
			}
			var errs []error
			for _, e := range entries {
				errs = append(errs, down(c.Context(), s, e, purge, all))
			}
			return errors.Join(errs...)
		},
	}
	c.Flags().StringVar(&name, "name", "default", "name of the instance")
	c.Flags().BoolVar(&all, "all", false, "every instance")
	c.Flags().BoolVar(&purge, "purge", false, "remove the data too")
	return c
}

func chosen(name string, all bool) ([]cluster.Entry, error) {
	if all {
		return cluster.List()
	}
	e, err := cluster.Find(name)
	return []cluster.Entry{e}, err
}

func down(ctx context.Context, s streams, e cluster.Entry, purge, all bool) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := cluster.Down(ctx, e.DataDir)
	switch {
	case err == nil:
		fmt.Fprintf(s.err, "cluster %q has ended\n", e.Name)
	case errors.Is(err, cluster.ErrNotRunning) && (purge || all):
	default:
		return fmt.Errorf("cluster %q: %w", e.Name, err)
	}
	if !purge || e.Ephemeral && err == nil {
		return nil
	}
	if err := cluster.Purge(e); err != nil {
		return err
	}
	fmt.Fprintf(s.err, "removed %s\n", e.DataDir)
	return nil
}
