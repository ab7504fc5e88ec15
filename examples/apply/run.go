package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/gitopskit/gitopskit/ssa"
	"github.com/gitopskit/gitopskit/ssa/progress"
)

// job is what there is to do, and where to say so.
type job struct {
	*options
	applier   *ssa.Applier
	set       *set
	opts      ssa.ApplyOptions
	out, errs io.Writer
}

func (o *options) run(ctx context.Context, in io.Reader, out, errs io.Writer) error {
	cfg, namespace, err := o.cluster()
	if err != nil {
		return err
	}
	opts, err := o.applyOptions(cfg, namespace)
	if err != nil {
		return err
	}
	set, err := read(ctx, o.files, in)
	if err != nil {
		return err
	}
	if len(set.objects) == 0 && o.inventory == "" {
		return fmt.Errorf("there are no manifests in %s", strings.Join(o.files, ", "))
	}
	if err := reach(ctx, cfg); err != nil {
		return err
	}
	opts.Origin = set.origin
	applier, err := ssa.New(cfg, ssa.Options{FieldManager: o.manager, TakeOver: o.takeOver})
	if err != nil {
		return err
	}
	j := &job{options: o, applier: applier, set: set, opts: opts, out: out, errs: errs}
	if o.plan {
		return j.makePlan(ctx)
	}
	return j.apply(ctx)
}

// display returns what shows progress; nothing, if that is not wanted.
func (j *job) display() *progress.Display {
	to := j.errs
	if j.progress == "none" {
		to = io.Discard
	}
	return progress.New(to, progress.Options{Mode: modes[j.progress], Color: colors[j.color], Diffs: !j.hideDiffs})
}

// makePlan says what would be done.
func (j *job) makePlan(ctx context.Context) error {
	show := j.display()
	j.opts.OnStep = show.Step
	plan, err := j.applier.Plan(ctx, j.set.objects, j.opts)
	if closeErr := show.Close(); closeErr != nil {
		return closeErr
	}
	if ctx.Err() != nil {
		return err // half a plan is none
	}
	if j.hideDiffs {
		for i := range plan.Objects {
			plan.Objects[i].Diff = nil
		}
	}
	if err := errors.Join(j.advise(err), j.writePlan(plan)); err != nil {
		return err
	}
	if j.exitCode && plan.Changes() {
		return errChanges
	}
	return nil
}

func (j *job) writePlan(plan *ssa.Plan) error {
	switch j.format {
	case "json":
		data, err := plan.Encode()
		if err == nil {
			_, err = fmt.Fprintln(j.out, string(data))
		}
		return err
	case "markdown":
		return plan.WriteMarkdown(j.out)
	}
	return plan.WriteText(j.out, j.colored())
}

// colored reports whether the standard output is to have colours.
func (j *job) colored() bool {
	if j.color != "auto" {
		return j.color == "always"
	}
	return isTerminal(j.out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// apply makes the cluster match, and reports also where that has failed.
func (j *job) apply(ctx context.Context) error {
	show := j.display()
	result, err := j.applier.Apply(ctx, j.set.objects, show.Follow(j.opts))
	if closeErr := show.Close(); closeErr != nil {
		err = errors.Join(err, closeErr)
	}
	reportErr := j.report(result, err)
	if j.progress != "none" {
		err = withoutShown(err, result)
	}
	return errors.Join(j.advise(err), reportErr)
}
