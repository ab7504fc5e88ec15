// Command render prints the objects that a folder, a file or a chart means, or
// how they changed since a revision.
//
//	render DIR|FILE|CHART [--values F] [--set k=v] [--substitute k=v] [--decrypt KEYFILE] [--remote HOST] [--since REV]
package main

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitopskit/gitopskit/internal/textdiff"
	"github.com/gitopskit/gitopskit/render/helm"
)

type options struct {
	values, set, substitute list
	remote                  list
	decrypt, since          string
	name, namespace         string
}

// list is a flag that may be given several times.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(v string) error { *l = append(*l, v); return nil }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out interface{ WriteString(string) (int, error) }) error {
	var o options
	f := flag.NewFlagSet("render", flag.ContinueOnError)
	f.Var(&o.values, "values", "a `file` of values for a chart (may be repeated)")
	f.Var(&o.set, "set", "a `path=value` for a chart (may be repeated)")
	f.Var(&o.substitute, "substitute", "a `name=value` to substitute in a folder's objects (may be repeated)")
	f.StringVar(&o.decrypt, "decrypt", "", "a `file` with age identities or a PGP key, for what SOPS encrypted")
	f.Var(&o.remote, "remote", "a `host[/path]` that kustomizations may name repositories of (may be repeated)")
	f.StringVar(&o.since, "since", "", "print the difference to this Git `revision` instead")
	f.StringVar(&o.name, "release", "release", "the `name` of the release of a chart")
	f.StringVar(&o.namespace, "namespace", "", "the target `namespace`")
	target, err := parse(f, args)
	if err != nil {
		return err
	}
	now, err := render(ctx, os.DirFS(filepath.Dir(target)), filepath.Base(target), o)
	if err != nil || o.since == "" {
		if err == nil {
			_, err = out.WriteString(now)
		}
		return err
	}
	before, err := atRevision(ctx, target, o.since)
	if err != nil {
		return err
	}
	then, err := render(ctx, before, filepath.Base(target), o)
	if err != nil {
		return fmt.Errorf("at %s: %w", o.since, err)
	}
	_, err = out.WriteString(textdiff.Unified(then, now))
	return err
}

// parse reads flags before and after the one argument.
func parse(f *flag.FlagSet, args []string) (string, error) {
	if err := f.Parse(args); err != nil {
		return "", err
	}
	if f.NArg() == 0 {
		return "", fmt.Errorf("usage: render DIR|FILE|CHART [flags]; see render -h")
	}
	target := f.Arg(0)
	if err := f.Parse(f.Args()[1:]); err != nil {
		return "", err
	}
	if f.NArg() > 0 {
		return "", fmt.Errorf("one folder, file or chart at a time, got %q too", f.Arg(0))
	}
	return filepath.Abs(target)
}

// render gives the YAML of what name in fsys means. Bases beside the folder are
// found where they are below the parent folder.
func render(ctx context.Context, fsys fs.FS, name string, o options) (string, error) {
	var objects []*unstructured.Unstructured
	info, err := fs.Stat(fsys, name)
	switch {
	case err != nil:
		return "", err
	case strings.HasSuffix(name, ".tgz") || has(fsys, name+"/Chart.yaml"):
		objects, err = chart(ctx, fsys, name, o)
	case info.IsDir():
		objects, err = folder(ctx, fsys, name, o)
	default:
		objects, err = file(ctx, fsys, name, o)
	}
	if err != nil {
		return "", err
	}
	return helm.ManifestOf(objects)
}

func has(fsys fs.FS, name string) bool {
	_, err := fs.Stat(fsys, name)
	return err == nil
}
