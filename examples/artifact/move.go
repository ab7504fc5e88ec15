package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/oci"
)

type pushed struct {
	Artifact string   `json:"artifact"`
	Digest   string   `json:"digest"`
	Revision string   `json:"revision"`
	Tags     []string `json:"tags,omitempty"`
}

func pushCommand(s *settings) *cobra.Command {
	var opts oci.PushOptions
	var tags []string
	var created string
	cmd := &cobra.Command{
		Use: "push SOURCE oci://HOST/REPO:TAG", Short: "push a folder, a Git or OCI URL or a bucket", Args: arguments(2, 2),
		Long: "Push what a SOURCE holds as an artifact that Flux reads. The same files give the\nsame digest, unless --created gives a time.",
		Example: "  artifact push ./deploy oci://ghcr.io/org/app:v1 --tag latest\n" +
			"  artifact push https://github.com/org/app#refs/tags/v1 oci://ghcr.io/org/app:v1",
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if opts.Created, err = parseTime(created); err != nil {
				return err
			}
			if opts.Source == "" && strings.Contains(args[0], "://") {
				opts.Source, _, _ = strings.Cut(args[0], "#")
			}
			return s.with(cmd, func(ctx context.Context, c *clients) error {
				a, err := c.fetch(ctx, args[0])
				if err != nil {
					return err
				}
				digest, err := c.oci.Push(ctx, args[1], a, opts)
				if err != nil {
					return err
				}
				if err := c.oci.Tag(ctx, args[1], tags...); len(tags) > 0 && err != nil {
					return err
				}
				p := pushed{args[1] + "@" + digest, digest, a.Revision().String(), tags}
				return s.print(cmd.OutOrStdout(), p, fmt.Sprintf("pushed %s to %s\n", p.Revision, p.Artifact))
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&opts.Source, "source", "", "`URL` that the content comes from (default that of SOURCE)")
	f.StringVar(&opts.Revision, "revision", "", "revision of the content (default that of SOURCE)")
	f.StringToStringVar(&opts.Annotations, "annotation", nil, "`key=value` that is added to the manifest (may be repeated)")
	f.StringVar(&created, "created", "", "time of the artifact: now, or as 2026-01-31T12:00:00Z (default 1970, the same for the same files)")
	f.StringArrayVar(&tags, "tag", nil, "another `tag` for it (may be repeated)")
	return cmd
}

func parseTime(s string) (time.Time, error) {
	switch s {
	case "":
		return time.Time{}, nil
	case "now":
		return time.Now(), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, usageError{fmt.Errorf("--created %q is neither now nor a time such as 2026-01-31T12:00:00Z", s)}
	}
	return t, nil
}

type pulled struct {
	Folder   string `json:"folder"`
	Revision string `json:"revision"`
	Files    int    `json:"files"`
	Bytes    int64  `json:"bytes"`
}

func pullCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "pull SOURCE FOLDER", Short: "write the files to a new folder", Args: arguments(2, 2),
		Long: "Write what a SOURCE holds to a folder that is not there yet, or empty. The folder\nappears whole or not at all.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.with(cmd, func(ctx context.Context, c *clients) error {
				a, err := c.fetch(ctx, args[0])
				if err != nil {
					return err
				}
				p := pulled{Folder: args[1], Revision: a.Revision().String(), Bytes: a.Size()}
				for _, e := range a.Entries() {
					if !e.Mode.IsDir() {
						p.Files++
					}
				}
				if err := writeFolder(ctx, a, args[1]); err != nil {
					return err
				}
				return s.print(cmd.OutOrStdout(), p, fmt.Sprintf("wrote %s to %s: %d files, %d bytes\n", p.Revision, p.Folder, p.Files, p.Bytes))
			})
		},
	}
}

// writeFolder fills a folder beside the one that is wanted, and renames it.
func writeFolder(ctx context.Context, a *source.Artifact, folder string) error {
	switch left, err := os.ReadDir(folder); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case len(left) > 0:
		return fmt.Errorf("%s is not empty: name a new folder", folder)
	}
	folder = filepath.Clean(folder)
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil { //nolint:gosec // the user's umask decides
		return err
	}
	temp, err := os.MkdirTemp(filepath.Dir(folder), ".artifact-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(temp) }()
	filled := filepath.Join(temp, "files")
	if err := os.Mkdir(filled, 0o755); err != nil { //nolint:gosec // the user's umask decides
		return err
	}
	if err := os.CopyFS(filled, untilDone{ctx, a.FS()}); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	if err := os.Remove(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(filled, folder)
}

// untilDone opens files as long as the context lasts.
type untilDone struct {
	ctx context.Context //nolint:containedctx // it lives as long as the call that made it
	fs.FS
}

func (u untilDone) Open(name string) (fs.File, error) {
	if err := u.ctx.Err(); err != nil {
		return nil, err
	}
	return u.FS.Open(name)
}

func (u untilDone) ReadLink(name string) (string, error) { return fs.ReadLink(u.FS, name) }

func (u untilDone) Lstat(name string) (fs.FileInfo, error) { return fs.Lstat(u.FS, name) }
