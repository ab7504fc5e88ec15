package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/git"
	"github.com/gitopskit/gitopskit/source/oci"
)

type difference struct {
	Path string `json:"path"`
	Kind string `json:"kind"`
}

func diffCommand(s *settings) *cobra.Command {
	var exitCode bool
	cmd := &cobra.Command{
		Use: "diff SOURCE SOURCE", Short: "list the files in which two differ", Args: arguments(2, 2),
		Long: "List the files that were added, changed or removed from the first to the second.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.with(cmd, func(ctx context.Context, c *clients) error {
				first, err := c.fetch(ctx, args[0])
				if err != nil {
					return err
				}
				second, err := c.fetch(ctx, args[1])
				if err != nil {
					return err
				}
				found, err := source.Diff(first, second)
				if err != nil {
					return err
				}
				list, text := make([]difference, 0, len(found)), ""
				for _, d := range found {
					list = append(list, difference{d.Path, string(d.Kind)})
					text += fmt.Sprintf("%s %s\n", d.Kind, d.Path)
				}
				if err := s.print(cmd.OutOrStdout(), list, text); err != nil {
					return err
				}
				if exitCode && len(list) > 0 {
					return errDifferent
				}
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&exitCode, "exit-code", false, "exit with 3 if there are differences")
	return cmd
}

func listCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "list oci://HOST/REPO", Short: "list tags", Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.with(cmd, func(ctx context.Context, c *clients) error {
				tags, err := c.oci.Tags(ctx, args[0])
				if err != nil {
					return err
				}
				text := ""
				if len(tags) > 0 {
					text = strings.Join(tags, "\n") + "\n"
				}
				return s.print(cmd.OutOrStdout(), append([]string{}, tags...), text)
			})
		},
	}
}

func tagCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "tag oci://HOST/REPO:TAG TAG...", Short: "add tags", Args: arguments(2, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.with(cmd, func(ctx context.Context, c *clients) error {
				if err := c.oci.Tag(ctx, args[0], args[1:]...); err != nil {
					return err
				}
				return s.print(cmd.OutOrStdout(), map[string]any{"artifact": args[0], "tags": args[1:]},
					fmt.Sprintf("tagged %s as %s\n", args[0], strings.Join(args[1:], ", ")))
			})
		},
	}
}

type verified struct {
	Revision string `json:"revision"`
	Signer   string `json:"signer"`
}

func verifyCommand(s *settings) *cobra.Command {
	var keyFile string
	cmd := &cobra.Command{
		Use: "verify SOURCE --key FILE", Short: "check who signed a commit or an artifact", Args: arguments(1, 1),
		Long: "Check that a key signed what a SOURCE holds: an artifact with cosign's public key, a\ncommit with an SSH key (a file ending in .pub) or a PGP key.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if keyFile == "" {
				return usageError{errors.New("give --key FILE")}
			}
			key, err := os.ReadFile(keyFile) //nolint:gosec // the user names it
			if err != nil {
				return err
			}
			return s.with(cmd, func(ctx context.Context, c *clients) error {
				src, err := c.openVerified(args[0], keyFile, key)
				if err != nil {
					return err
				}
				a, err := take(ctx, src)
				if err != nil {
					return err
				}
				signer := a.Metadata()[git.MetadataCommitSigner]
				if signer == "" {
					signer = a.Metadata()[oci.MetadataSigner]
				}
				return s.print(cmd.OutOrStdout(), verified{a.Revision().String(), signer},
					fmt.Sprintf("%s is signed by %s\n", a.Revision(), signer))
			})
		},
	}
	cmd.Flags().StringVar(&keyFile, "key", "", "`file` of the public key")
	return cmd
}
