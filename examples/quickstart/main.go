// Command quickstart is a complete reconciler in a page of Go: it makes a
// cluster match a folder of a Git repository, until it is stopped.
//
//	KUBECONFIG=… quickstart https://github.com/stefanprodan/podinfo kustomize
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/render/kustomize"
	"github.com/gitopskit/gitopskit/source/git"
	"github.com/gitopskit/gitopskit/ssa"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: quickstart URL FOLDER   (the cluster is that of KUBECONFIG)")
		os.Exit(2)
	}
	if err := run(ctx, os.Stdout, 10*time.Second, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, interval time.Duration, url, folder string) error {
	cfg, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	mirrors, err := git.OpenMirrors(filepath.Join(cache, "quickstart"), git.MirrorOptions{})
	if err != nil {
		return err
	}
	repo, err := git.New(git.Options{URL: url, Reference: git.Reference{Name: "HEAD"}, Mirrors: mirrors})
	if err != nil {
		return err
	}
	applier, err := ssa.New(cfg, ssa.Options{FieldManager: "quickstart"})
	if err != nil {
		return err
	}
	owned, err := inventory.NewConfigMap(cfg, "default", "quickstart")
	if err != nil {
		return err
	}
	for {
		if err := reconcile(ctx, out, repo, folder, applier, owned); err != nil && ctx.Err() == nil {
			fmt.Fprintln(out, err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(interval):
		}
	}
}

func reconcile(ctx context.Context, out io.Writer, repo *git.Source, folder string, applier *ssa.Applier, owned inventory.Store) error {
	revision, err := repo.Resolve(ctx)
	if err != nil {
		return err
	}
	artifact, err := repo.Fetch(ctx, revision)
	if err != nil {
		return err
	}
	objects, err := kustomize.Build(ctx, artifact.FS(), folder, kustomize.Options{})
	if err != nil {
		return err
	}
	result, err := applier.Apply(ctx, objects, ssa.ApplyOptions{
		Set: "quickstart", Inventory: owned, DefaultNamespace: "default", Prune: true, Wait: true,
	})
	if result.Changed() {
		fmt.Fprintf(out, "%s: %s\n", revision, result.Summary())
	}
	return err
}
