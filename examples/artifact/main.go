// Command artifact makes, moves and compares artifacts.
//
//	artifact push  SOURCE oci://HOST/REPO:TAG   push a folder, a Git or OCI URL or a bucket
//	artifact pull  SOURCE FOLDER                write the files to a new folder
//	artifact diff  SOURCE SOURCE                list the files in which two differ
//	artifact list  oci://HOST/REPO              list tags
//	artifact tag   oci://HOST/REPO:TAG TAG…     add tags
//	artifact verify SOURCE KEY-FILE             check who signed a commit, or an artifact with cosign
//
// A SOURCE is a folder, https://… or ssh://… of a Git repository with #REFERENCE
// (refs/heads/main), oci://HOST/REPO:TAG, or s3://HOST/BUCKET/PREFIX. Registries
// are asked with REGISTRY_USER and REGISTRY_PASSWORD, or what "docker login" left,
// buckets with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, Git servers with
// GIT_USER and GIT_PASSWORD. INSECURE names the hosts that are asked over plain
// HTTP.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/gitopskit/gitopskit/source"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	cache, err := os.UserCacheDir()
	if err == nil {
		err = run(ctx, os.Args[1:], os.Stdout, filepath.Join(cache, "gitopskit-artifact"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: artifact push|pull|diff|list|tag|verify ARGUMENTS; see the command's documentation")

func run(ctx context.Context, args []string, out io.Writer, cache string) error {
	if len(args) < 2 {
		return errUsage
	}
	c, err := newClients(cache)
	if err != nil {
		return err
	}
	defer c.close()
	switch verb, args := args[0], args[1:]; {
	case verb == "push" && len(args) == 2:
		return c.push(ctx, out, args[0], args[1])
	case verb == "pull" && len(args) == 2:
		return c.pull(ctx, out, args[0], args[1])
	case verb == "diff" && len(args) == 2:
		return c.diff(ctx, out, args[0], args[1])
	case verb == "list" && len(args) == 1:
		tags, err := c.oci.Tags(ctx, args[0])
		for _, t := range tags {
			fmt.Fprintln(out, t)
		}
		return err
	case verb == "tag" && len(args) > 1:
		return c.oci.Tag(ctx, args[0], args[1:]...)
	case verb == "verify" && len(args) == 2:
		return c.verify(ctx, out, args[0], args[1])
	}
	return errUsage
}

func (c *clients) push(ctx context.Context, out io.Writer, from, to string) error {
	a, err := c.fetch(ctx, from)
	if err != nil {
		return err
	}
	digest, err := c.oci.Push(ctx, to, a, pushOptions(from))
	if err == nil {
		fmt.Fprintf(out, "pushed %s to %s@%s\n", a.Revision(), to, digest)
	}
	return err
}

func (c *clients) pull(ctx context.Context, out io.Writer, from, folder string) error {
	a, err := c.fetch(ctx, from)
	if err != nil {
		return err
	}
	if err := os.CopyFS(folder, a.FS()); err != nil {
		return err
	}
	fmt.Fprintf(out, "wrote %s to %s\n", a.Revision(), folder)
	return nil
}

func (c *clients) diff(ctx context.Context, out io.Writer, first, second string) error {
	a, err := c.fetch(ctx, first)
	if err != nil {
		return err
	}
	b, err := c.fetch(ctx, second)
	if err != nil {
		return err
	}
	differences, err := source.Diff(a, b)
	for _, d := range differences {
		fmt.Fprintf(out, "%s %s\n", d.Kind, d.Path)
	}
	return err
}

// cut splits at the last separator that is not part of a host.
func cut(s, sep string) (before, after string) {
	if i := strings.LastIndex(s, sep); i > strings.LastIndexByte(s, '/') {
		return s[:i], s[i+len(sep):]
	}
	return s, ""
}
