package ssa

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitopskit/gitopskit/inventory"
)

// Apply makes the cluster match the objects: it creates and updates what
// differs, prunes what left the set if asked to, and waits until all is ready
// if asked to.
//
// Lists among the objects are applied as what they contain. The objects are
// not changed. The Result is never nil and tells of every object also where an
// error is returned; the error joins those of all objects that failed.
//
// If Apply is interrupted at any moment, by its context, a crash or an error,
// every object it has written is in the inventory, and calling it again goes
// on from there.
func (a *Applier) Apply(ctx context.Context, objects []*unstructured.Unstructured, opts ApplyOptions) (*Result, error) {
	r := newRun(ctx, a, objects, opts)
	err := r.do(ctx)
	return r.finish(ctx, err)
}

// run is one Apply under way.
type run struct {
	a       *Applier
	opts    *ApplyOptions
	objects []*object // those that can be applied, sorted by rank once there is something to write
	byRef   map[inventory.Ref]*object
	old     *inventory.Inventory // as loaded
	saved   *inventory.Inventory // as last stored
	leaving []inventory.Entry    // what is to be pruned
	refused error                // options that make no sense

	mu       sync.Mutex // guards result and the fields of objects once several goroutines work
	result   *Result
	told     []bool // by index: OnEvent was called
	awaited  map[schema.GroupVersionKind]*awaitedKind
	held     map[string]func() *TerminatingError // by namespace
	lookedAt atomic.Int64                        // objects of which was read what holds them
}

// labeller is a Store that finds what it has by labels, as inventory.ApplySet
// does.
type labeller interface{ MemberLabels() map[string]string }

func newRun(ctx context.Context, a *Applier, objects []*unstructured.Unstructured, opts ApplyOptions) *run {
	if s, ok := opts.Inventory.(labeller); ok {
		opts.OwnerLabels = maps.Clone(opts.OwnerLabels)
		if opts.OwnerLabels == nil {
			opts.OwnerLabels = map[string]string{}
		}
		maps.Copy(opts.OwnerLabels, s.MemberLabels())
	}
	if opts.Expect != nil {
		opts.Diff = true // what would change is compared with what was to change
	}
	r := &run{a: a, opts: &opts, awaited: map[schema.GroupVersionKind]*awaitedKind{}, held: map[string]func() *TerminatingError{}}
	ignore, err := readIgnoreRules(opts.Ignore)
	r.refused = errors.Join(err, unknownPolicy(opts.Conflicts), opts.Adopt.check("Adopt"), opts.PruneAdopt.check("PruneAdopt"))
	usable, results := a.prepare(ctx, objects, &opts, ignore)
	r.objects = usable
	r.result = &Result{Objects: results, Inventory: inventory.New()}
	r.byRef = make(map[inventory.Ref]*object, len(usable))
	for _, o := range usable {
		r.byRef[o.ref] = o
	}
	r.told = make([]bool, len(results))
	return r
}

func (r *run) do(ctx context.Context) error {
	if stopped(ctx) {
		return nil
	}
	if r.refused != nil {
		return r.refused
	}
	r.begin(StepRead, len(r.result.Objects))
	if err := r.load(ctx); err != nil {
		return err
	}
	r.survey(ctx)
	r.undefine()
	r.follow()
	r.tellSettled()
	if stopped(ctx) {
		return nil
	}
	if pending := r.pending(); len(pending) > 0 {
		r.connect()
		r.begin(StepValidate, len(pending))
		r.validate(ctx)
		r.tellSettled()
	}
	if stopped(ctx) || !r.mayGoOn() {
		if r.opts.DryRun {
			r.rehearsed()
		}
		return nil
	}
	if err := r.checkPrune(ctx); err != nil {
		return err
	}
	if err := r.expected(); err != nil {
		return err
	}
	if r.opts.DryRun {
		r.rehearsed()
		return r.rehearsePrune(ctx)
	}
	if err := r.writeAhead(ctx); err != nil {
		return err
	}
	r.write(ctx)
	if stopped(ctx) {
		return nil
	}
	waits := r.opts.Wait
	if r.opts.Prune && r.failures() == 0 {
		if r.opts.PruneWhenReady && len(r.leaving) > 0 {
			if err := r.wait(ctx); err != nil {
				return errors.Join(err, r.writeDown(ctx))
			}
			waits = false
		}
		r.prune(ctx)
	}
	if stopped(ctx) {
		return nil
	}
	if err := r.writeDown(ctx); err != nil {
		return err
	}
	if waits && r.failures() == 0 {
		return r.wait(ctx)
	}
	return nil
}

// stopped reports whether ctx has ended; finish turns that into the error.
func stopped(ctx context.Context) bool { return ctx.Err() != nil }

// follow sees to it that the kinds of the set are watched while Watch runs.
func (r *run) follow() {
	if r.opts.Set == "" {
		return
	}
	done := map[schema.GroupVersionResource]bool{}
	for _, o := range r.objects {
		if !done[o.gvr] && !o.undefined() {
			done[o.gvr] = true
			r.a.state.follow(o.target)
		}
	}
}

// load reads the inventory. One that can't be read stops everything: taken
// for an empty one, it would forget what it owns.
func (r *run) load(ctx context.Context) error {
	if r.opts.Inventory == nil {
		if r.opts.Prune {
			return errors.New("ssa: ApplyOptions.Prune needs ApplyOptions.Inventory: only what an inventory lists is pruned")
		}
		r.old = inventory.New()
		return nil
	}
	old, err := r.opts.Inventory.Load(ctx)
	if err != nil {
		return fmt.Errorf("ssa: %w", err)
	}
	r.old, r.saved = old, old
	r.result.Inventory = old.Clone()
	return nil
}

// mayGoOn reports whether what was found so far allows the next step.
func (r *run) mayGoOn() bool { return r.opts.ContinueOnError || r.failures() == 0 }

func (r *run) failures() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for i := range r.result.Objects {
		if r.result.Objects[i].Err != nil {
			n++
		}
	}
	return n
}

func (r *run) failed(o *object) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.result.Objects[o.index].Err != nil
}

func (r *run) fail(o *object, err *Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	res := &r.result.Objects[o.index]
	res.Err = err
	if errors.Is(err, ErrUnknownKind) {
		r.a.kinds.forget(o.ref.GroupKind())
	}
	if o.action != "" {
		res.Action = o.action
	}
	if o.live != nil {
		res.UID, res.ResourceVersion = o.live.uid, o.live.rv
	}
	if !o.began.IsZero() {
		res.Duration = time.Since(o.began)
	}
	r.tell(o.index)
}

// tell reports an object's result once. r.mu is held, so that calls come one
// after the other.
func (r *run) tell(index int) {
	if r.opts.OnEvent == nil || r.told[index] {
		return
	}
	r.told[index] = true
	r.opts.OnEvent(r.result.Objects[index])
}

// pending returns the objects that may have to be written.
func (r *run) pending() []*object {
	var out []*object
	for _, o := range r.objects {
		switch o.action {
		case Create, Update, Recreate:
			if !r.failed(o) && !o.written {
				out = append(out, o)
			}
		}
	}
	return out
}

func (r *run) connect() {
	sorted, errs := connect(r.objects)
	r.objects = sorted
	for _, err := range errs {
		r.fail(r.byRef[err.Ref], err)
	}
}

// each calls f for all objects, several at a time, and records errors. It
// begins no more once ctx has ended.
func (r *run) each(ctx context.Context, objects []*object, f func(context.Context, *object) *Error) {
	next := make(chan *object)
	var wg sync.WaitGroup
	for range min(r.a.opts.Concurrency, len(objects)) {
		wg.Go(func() {
			for o := range next {
				if err := f(ctx, o); err != nil && ctx.Err() == nil {
					r.fail(o, err)
				}
			}
		})
	}
feed:
	for _, o := range objects {
		select {
		case next <- o:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	wg.Wait()
}

// finish completes the result and returns the errors.
func (r *run) finish(ctx context.Context, err error) (*Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.result.Objects {
		r.tell(i)
	}
	if ctx.Err() != nil {
		err = errors.Join(fmt.Errorf("ssa: stopped: %w", context.Cause(ctx)), err)
	}
	return r.result, errors.Join(err, r.result.err())
}
