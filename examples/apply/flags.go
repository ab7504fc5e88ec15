package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/gitopskit/gitopskit/ssa/progress"
)

// options are what the command line says.
type options struct {
	files      []string
	kubeconfig string
	context    string
	namespace  string

	inventory string
	prune     bool
	whenReady bool
	orphan    bool
	maxPrune  int
	massPrune string
	manager   string
	takeOver  []string
	conflicts string
	adopt     string
	ignore    []string
	recreate  bool
	goOn      bool
	wait      bool
	failFast  bool
	timeout   time.Duration
	plan      bool
	exitCode  bool
	expect    string
	format    string
	color     string
	progress  string
	hideDiffs bool
}

func (o *options) flags(f *pflag.FlagSet) {
	f.SortFlags = false
	f.StringArrayVarP(&o.files, "filename", "f", nil, "`folder`, file, or - for the standard input; may be given more than once")
	f.StringVarP(&o.namespace, "namespace", "n", "", "`namespace` of objects that name none, and of the inventory (default that of the context)")
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "`file` that leads to the cluster (default $KUBECONFIG, ~/.kube/config, or the cluster that this runs in)")
	f.StringVar(&o.context, "context", "", "`context` of the kubeconfig (default the current one)")

	f.StringVar(&o.inventory, "inventory", "", "`name` of the ConfigMap that keeps account of what is owned")
	f.BoolVar(&o.prune, "prune", false, "delete what the inventory lists and the manifests do not")
	f.BoolVar(&o.whenReady, "prune-when-healthy", false, "wait until what was applied is healthy before anything is deleted")
	f.BoolVar(&o.orphan, "orphan", false, "with --prune: let go of what left the manifests instead of deleting it")
	f.IntVar(&o.maxPrune, "max-prune", 0, "refuse to delete more objects than this `number` (default no limit)")
	f.StringVar(&o.massPrune, "allow-mass-prune", "", "delete this once whatever limits say: the inventory's `name`, given again")

	f.StringVar(&o.manager, "field-manager", "gitopskit-apply", "`name` under which fields are owned")
	f.StringSliceVar(&o.takeOver, "take-over", []string{"kubectl*"}, "field `managers` whose fields become ours, so that they can be removed too")
	f.StringVar(&o.conflicts, "conflicts", "take", "`policy` for fields that others have changed: take, yield (leave them to others) or fail")
	f.StringVar(&o.adopt, "adopt", "any", "`which` objects that are there already may become ours: any, unowned (by no other inventory) or none")
	f.StringArrayVar(&o.ignore, "ignore", nil, "leave a `field` alone once it is there: [KIND:]/JSON/POINTER, such as Deployment:/spec/replicas")
	f.BoolVar(&o.recreate, "recreate-immutable", false, "delete and create anew what can't be changed otherwise")
	f.BoolVar(&o.goOn, "continue-on-error", false, "apply what is in order although something else is not; deletes nothing then")

	f.BoolVar(&o.wait, "wait", false, "wait until everything is healthy")
	f.DurationVar(&o.timeout, "timeout", 5*time.Minute, "how long to wait")
	f.BoolVar(&o.failFast, "fail-fast", false, "end the wait as soon as something has failed that can't recover by itself")

	f.BoolVar(&o.plan, "plan", false, "say what would be done, and do nothing")
	f.BoolVar(&o.exitCode, "exit-code", false, "with --plan: exit with 3 if there is something to do")
	f.StringVar(&o.expect, "expect", "", "`file` with a plan (of --plan -o json): do what it says, or nothing if things have moved")

	f.StringVarP(&o.format, "output", "o", "text", "`form` of the plan or the result: text, json or markdown")
	f.BoolVar(&o.hideDiffs, "hide-diffs", false, "leave out which fields change")
	f.StringVar(&o.progress, "progress", "auto", "`mode` auto, live (lines that are kept up to date), plain (a line for each event) or none")
	f.StringVar(&o.color, "color", "auto", "`when`: auto, always or never")
}

var (
	modes  = map[string]progress.Mode{"auto": progress.Auto, "live": progress.Live, "plain": progress.Plain, "none": progress.Auto}
	colors = map[string]progress.Color{"auto": progress.ColorAuto, "always": progress.ColorAlways, "never": progress.ColorNever}
)

// check says what is wrong with the command line.
func (o *options) check() error {
	for _, c := range []struct {
		flag, value string
		allowed     []string
	}{
		{"output", o.format, []string{"text", "json", "markdown"}},
		{"progress", o.progress, []string{"auto", "live", "plain", "none"}},
		{"color", o.color, []string{"auto", "always", "never"}},
		{"conflicts", o.conflicts, []string{"take", "yield", "fail"}},
		{"adopt", o.adopt, []string{"any", "unowned", "none"}},
	} {
		if !slices.Contains(c.allowed, c.value) {
			return fmt.Errorf("--%s %q is none of %s", c.flag, c.value, strings.Join(c.allowed, ", "))
		}
	}
	switch {
	case len(o.files) == 0:
		return errors.New("give the manifests by -f DIR, -f FILE or -f -")
	case o.prune && o.inventory == "":
		return errors.New("--prune needs --inventory NAME: only what an inventory lists is deleted")
	case o.inventory == "" && o.adopt != "any":
		return errors.New("--adopt needs --inventory NAME: it tells whose an object is")
	case !o.prune && (o.whenReady || o.orphan):
		return errors.New("--prune-when-healthy and --orphan say how to prune: give --prune too")
	case o.massPrune != "" && o.massPrune != o.inventory:
		return fmt.Errorf("--allow-mass-prune %q is not the name of the inventory, %q", o.massPrune, o.inventory)
	case o.exitCode && !o.plan:
		return errors.New("--exit-code is for --plan")
	case o.plan && o.expect != "":
		return errors.New("--plan makes a plan and --expect carries one out: give one of them")
	case o.timeout <= 0:
		return errors.New("--timeout has to be more than nothing, such as 5m")
	}
	_, err := ignoreRules(o.ignore)
	return err
}
