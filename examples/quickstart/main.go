// Command quickstart is a complete reconciler: it makes a cluster match a folder
// of a Git repository, until it is stopped.
//
//	KUBECONFIG=… quickstart https://github.com/stefanprodan/podinfo kustomize
package main

import (
	"context"
	"fmt"
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
		check(fmt.Errorf("usage: quickstart URL FOLDER   (the cluster is that of KUBECONFIG)"))
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	check(err)
	cache, err := os.UserCacheDir()
	check(err)
	mirrors, err := git.OpenMirrors(filepath.Join(cache, "quickstart"), git.MirrorOptions{})
	check(err)
	repo, err := git.New(git.Options{URL: os.Args[1], Reference: git.Reference{Name: "HEAD"}, Mirrors: mirrors})
	check(err)
	applier, err := ssa.New(cfg, ssa.Options{FieldManager: "quickstart"})
	check(err)
	owned, err := inventory.NewConfigMap(cfg, "default", "quickstart")
	check(err)
	for ctx.Err() == nil {
		if err := reconcile(ctx, repo, os.Args[2], applier, owned); err != nil && ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Second):
		}
	}
}

func reconcile(ctx context.Context, repo *git.Source, folder string, applier *ssa.Applier, owned inventory.Store) error {
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
		fmt.Fprintf(os.Stdout, "%s: %s\n", revision, result.Summary())
	}
	return err
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}
