// Command apply makes a cluster match manifests: kubectl apply, with an inventory
// of what it owns, pruning, a plan, and a wait until all is healthy.
//
//	apply -f ./deploy --inventory shop --plan
//	apply -f ./deploy --inventory shop --prune --wait
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
	"github.com/gitopskit/gitopskit/ssa/health"
)

const about = `Make a cluster match manifests.

-f takes a folder (built as a kustomization if it is one, else all manifests
below it), a file, or - for the standard input. With --inventory NAME a ConfigMap
of that name keeps account of what is owned; --prune then deletes what has left
the manifests. Everything is validated by the API server before anything is
written; one error and nothing is.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 (with --plan --exit-code) there is
something to do, 130 interrupted.`

type options struct {
	files      []string
	inventory  string
	namespace  string
	kubeconfig string
	context    string
	manager    string
	prune      bool
	wait       bool
	timeout    time.Duration
	plan       bool
	format     string
	exitCode   bool
	recreate   bool
	maxPrune   int
	massPrune  string
}

var errChanges = errors.New("there is something to do")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := command().ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return
	case errors.Is(err, errChanges):
		os.Exit(3)
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "apply: interrupted; what was done stands above, and doing it again goes on from there")
		os.Exit(130)
	case errors.As(err, &usage):
		fmt.Fprintln(os.Stderr, "apply:", err)
		os.Exit(2)
	}
	fmt.Fprintln(os.Stderr, "apply:", err)
	os.Exit(1)
}

type usageError struct{ error }

func command() *cobra.Command {
	o := options{}
	cmd := &cobra.Command{
		Use: "apply -f DIR|FILE|-", Short: "Make a cluster match manifests", Long: about,
		Args: cobra.NoArgs, SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), o, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	f := cmd.Flags()
	f.StringArrayVarP(&o.files, "file", "f", nil, "folder, file, or - for the standard input; may be given more than once")
	f.StringVar(&o.inventory, "inventory", "", "name of the ConfigMap that keeps account of what is owned")
	f.StringVarP(&o.namespace, "namespace", "n", "", "namespace of the inventory, and of objects that name none (default that of the context)")
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "file that leads to the cluster")
	f.StringVar(&o.context, "context", "", "context of the kubeconfig")
	f.StringVar(&o.manager, "field-manager", "gitopskit-apply", "name under which fields are owned")
	f.BoolVar(&o.prune, "prune", false, "delete what the inventory lists and the manifests do not")
	f.IntVar(&o.maxPrune, "max-prune", 0, "refuse to delete more objects than this; 0 for no limit")
	f.StringVar(&o.massPrune, "allow-mass-prune", "", "delete this once whatever limits say: the inventory's name, given again")
	f.BoolVar(&o.recreate, "recreate-immutable", false, "delete and create anew what can't be changed otherwise")
	f.BoolVar(&o.wait, "wait", false, "wait until everything is healthy")
	f.DurationVar(&o.timeout, "timeout", 5*time.Minute, "how long --wait waits")
	f.BoolVar(&o.plan, "plan", false, "say what would be done, and do nothing")
	f.StringVarP(&o.format, "output", "o", "text", "form of the plan: text, json or markdown")
	f.BoolVar(&o.exitCode, "exit-code", false, "with --plan: exit with 3 if there is something to do")
	return cmd
}

func (o *options) check() error {
	switch {
	case len(o.files) == 0:
		return usageError{errors.New("give -f DIR, -f FILE or -f -")}
	case o.prune && o.inventory == "":
		return usageError{errors.New("--prune needs --inventory NAME: only what an inventory lists is deleted")}
	case o.massPrune != "" && o.massPrune != o.inventory:
		return usageError{fmt.Errorf("--allow-mass-prune %q is not the name of the inventory, %q", o.massPrune, o.inventory)}
	case o.format != "text" && o.format != "json" && o.format != "markdown":
		return usageError{fmt.Errorf("--output %q is none of text, json, markdown", o.format)}
	}
	return nil
}

func run(ctx context.Context, o options, in io.Reader, out io.Writer) error {
	if err := o.check(); err != nil {
		return err
	}
	cfg, namespace, err := o.cluster()
	if err != nil {
		return err
	}
	set, err := read(ctx, o.files, in)
	if err != nil {
		return err
	}
	applier, err := ssa.New(cfg, ssa.Options{FieldManager: o.manager, TakeOver: []string{"kubectl*"}})
	if err != nil {
		return err
	}
	opts := ssa.ApplyOptions{
		DefaultNamespace: namespace, Prune: o.prune, MaxPrune: o.maxPrune, RefuseEmpty: true, AllowMassPrune: o.massPrune,
		RecreateImmutable: o.recreate, Diff: true, Origin: set.origin,
	}
	if o.inventory != "" {
		if opts.Inventory, err = inventory.NewConfigMap(cfg, namespace, o.inventory); err != nil {
			return err
		}
		opts.Set = o.inventory
		opts.OwnerLabels = map[string]string{"gitopskit.github.io/inventory-of": o.inventory}
	}
	if o.plan {
		err = plan(ctx, o, applier, set.objects, opts, out)
	} else {
		err = apply(ctx, o, applier, set.objects, opts, out)
	}
	if errors.Is(err, ssa.ErrPruneRefused) {
		err = fmt.Errorf("%w\nif they are to go, give --allow-mass-prune=%s", err, o.inventory)
	}
	return err
}

// cluster returns the access to the cluster, and the namespace to use.
func (o *options) cluster() (*rest.Config, string, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = o.kubeconfig
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: o.context})
	cfg, err := loader.ClientConfig()
	if err != nil {
		return nil, "", fmt.Errorf("no cluster: %w: give --kubeconfig FILE", err)
	}
	namespace := o.namespace
	if namespace == "" {
		namespace, _, err = loader.Namespace()
	}
	return cfg, namespace, err
}

func plan(ctx context.Context, o options, applier *ssa.Applier, objects []*unstructured.Unstructured, opts ssa.ApplyOptions, out io.Writer) error {
	p, err := applier.Plan(ctx, objects, opts)
	var writeErr error
	switch o.format {
	case "json":
		var data []byte
		if data, writeErr = p.Encode(); writeErr == nil {
			_, writeErr = fmt.Fprintln(out, string(data))
		}
	case "markdown":
		writeErr = p.WriteMarkdown(out)
	default:
		writeErr = p.WriteText(out, isTerminal(out))
	}
	if err := errors.Join(err, writeErr); err != nil {
		return err
	}
	if o.exitCode && p.Changes() {
		return errChanges
	}
	return nil
}

// isTerminal reports whether out can show colours.
func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func apply(ctx context.Context, o options, applier *ssa.Applier, objects []*unstructured.Unstructured, opts ssa.ApplyOptions, out io.Writer) error {
	opts.OnEvent = func(r ssa.ObjectResult) {
		if r.Action == ssa.Unchanged || r.Action == ssa.None || r.Err != nil {
			return // counted below, or told with the error
		}
		fmt.Fprintln(out, r)
		for _, c := range r.Diff {
			fmt.Fprintln(out, "   ", c)
		}
	}
	result, err := applier.Apply(ctx, objects, opts)
	fmt.Fprintln(out, result.Summary())
	if err != nil || !o.wait {
		return err
	}
	var entries []inventory.Entry
	for _, r := range result.Objects {
		if r.Action != ssa.Prune && r.Action != ssa.Skip {
			entries = append(entries, inventory.Entry{Ref: r.Ref, Version: r.Version})
		}
	}
	_, err = applier.Wait(ctx, entries, health.WaitOptions{Timeout: o.timeout, OnChange: func(ob health.Observation) { fmt.Fprintln(out, ob) }})
	if err == nil {
		fmt.Fprintln(out, "all healthy")
	}
	return err
}
