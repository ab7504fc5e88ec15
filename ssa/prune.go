package ssa

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitopskit/gitopskit/inventory"
)

// systemNamespaces are never deleted, whatever an inventory says.
var systemNamespaces = []string{"default", "kube-system", "kube-public", "kube-node-lease"}

// orphans returns what the inventory has and the set has not, last rank first.
func (r *run) orphans() []inventory.Entry {
	out := r.old.Filter(func(e inventory.Entry) bool { return r.byRef[e.Ref] == nil }).Entries()
	slices.SortStableFunc(out, func(a, b inventory.Entry) int { return compareRank(b.Ref, a.Ref) })
	return out
}

// checkPrune refuses before anything is written what would be refused later.
func (r *run) checkPrune() error {
	if !r.opts.Prune {
		return nil
	}
	r.leaving = r.orphans()
	n := len(r.leaving)
	if r.opts.RefuseEmpty && len(r.objects) == 0 && n > 0 {
		return fmt.Errorf("ssa: %w: the set is empty and the inventory lists %d; clear ApplyOptions.RefuseEmpty if all of them are to go", ErrPruneRefused, n)
	}
	if r.opts.MaxPrune > 0 && n > r.opts.MaxPrune {
		return fmt.Errorf("ssa: %w: %d objects left the set, ApplyOptions.MaxPrune is %d; raise it if they are to go", ErrPruneRefused, n, r.opts.MaxPrune)
	}
	return nil
}

// prune deletes the orphans and takes those that are gone from the inventory.
func (r *run) prune(ctx context.Context) {
	if len(r.leaving) == 0 {
		return
	}
	p := r.pruner(ctx)
	results := make([]ObjectResult, len(p.victims))
	r.a.parallel(ctx, len(p.victims), func(i int) { results[i] = p.remove(ctx, p.victims[i]) })
	for i, res := range results {
		if res.Ref.Name == "" {
			res = ObjectResult{Ref: p.victims[i].ref, Version: p.victims[i].version, Action: None}
		}
		r.addPruned(res)
		if res.Action != None && res.Err == nil {
			r.result.Inventory.Remove(res.Ref)
		}
	}
}

func (r *run) rehearsePrune(ctx context.Context) error {
	if !r.opts.Prune || r.failures() > 0 {
		return nil
	}
	p := r.pruner(ctx)
	for _, v := range p.victims {
		r.addPruned(p.judge(v))
	}
	return nil
}

func (r *run) addPruned(res ObjectResult) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Objects = append(r.result.Objects, res)
	r.told = append(r.told, false)
	r.tell(len(r.told) - 1)
}

// parallel calls f for 0 to n-1, several at a time, and begins no more once
// ctx has ended.
func (a *Applier) parallel(ctx context.Context, n int, f func(i int)) {
	objects := make([]*object, n)
	for i := range objects {
		objects[i] = &object{index: i}
	}
	(&run{a: a}).each(ctx, objects, func(_ context.Context, o *object) *Error {
		f(o.index)
		return nil
	})
}

// A victim is an orphan with what is known of it.
type victim struct {
	target
	uid  types.UID // as recorded; "" if not
	live *metav1.PartialObjectMetadata
	err  error
}

type pruner struct {
	a       *Applier
	set     string
	owner   map[string]string
	kept    map[types.UID]inventory.Ref // UIDs of what was just applied
	victims []*victim
}

func (r *run) pruner(ctx context.Context) *pruner {
	p := &pruner{a: r.a, set: r.opts.Set, owner: r.opts.OwnerLabels, kept: map[types.UID]inventory.Ref{}}
	for _, o := range r.objects {
		if o.live != nil {
			p.kept[o.live.uid] = o.ref
		}
	}
	for _, e := range r.leaving {
		p.victims = append(p.victims, p.victim(ctx, e))
	}
	p.look(ctx)
	return p
}

func (p *pruner) victim(ctx context.Context, e inventory.Entry) *victim {
	v := &victim{target: target{ref: e.Ref, version: e.Version}, uid: e.UID}
	v.resource, v.err = p.a.kinds.anyVersion(e.GroupKind(), e.Version)
	if errors.Is(v.err, ErrUnknownKind) {
		// Discovery leaves out an API that is unavailable at the moment. Taken for
		// gone, its objects would be forgotten.
		if there, err := p.a.client.serves(ctx, e.GVK()); err != nil || there {
			v.err = fmt.Errorf("the API %s can't be asked: %w", e.GVK().GroupVersion(), orError(err, errStaleDiscovery))
		}
	}
	return v
}

var errStaleDiscovery = errors.New("discovery does not list this kind, and the API serves it")

func orError(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// look reads the live side of all victims that are not known.
func (p *pruner) look(ctx context.Context) {
	var targets []target
	var unseen []*victim
	for _, v := range p.victims {
		if v.err != nil {
			continue
		}
		if v.live = p.recall(v.target); v.live == nil {
			unseen = append(unseen, v)
			targets = append(targets, v.target)
		}
	}
	if len(unseen) == 0 {
		return
	}
	found, failed := p.a.fetch(ctx, targets)
	for _, v := range unseen {
		v.live, v.err = found[v.ref], failed[v.ref]
	}
}

// recall returns what is needed of the metadata of an object that is known by
// watch to be as this set has applied it, and so to have its labels; else nil.
// Should that no longer be true, the resource version will tell.
func (p *pruner) recall(t target) *metav1.PartialObjectMetadata {
	st := p.a.state
	st.mu.Lock()
	defer st.mu.Unlock()
	e := st.entries[t.ref]
	known := e != nil && e.set == p.set && e.known && e.live != nil && e.rec != nil && st.watcher != nil && st.watcher.upToDate(t.gvr)
	if !known || !e.rec.holds(e.live) || e.live.marks&(markKeep|markIgnore) != 0 {
		return nil
	}
	m := &metav1.PartialObjectMetadata{}
	m.Namespace, m.Name = t.ref.Namespace, t.ref.Name
	m.UID, m.ResourceVersion, m.Labels = e.live.uid, e.live.rv, p.owner
	return m
}

// judge says what is to become of a victim: the action Prune, or Skip with the
// reason.
func (p *pruner) judge(v *victim) ObjectResult {
	res := ObjectResult{Ref: v.ref, Version: v.version, Action: Prune}
	skip := func(format string, args ...any) ObjectResult {
		res.Action, res.Reason = Skip, fmt.Sprintf(format, args...)
		return res
	}
	switch {
	case errors.Is(v.err, ErrUnknownKind):
		return skip("the cluster no longer serves this kind")
	case v.err != nil:
		res.Err = &Error{Op: "prune", Ref: v.ref, Err: v.err}
		return res
	case v.live == nil:
		res.Reason = "was gone already"
		return res
	}
	res.UID = v.live.UID
	other, kept := p.kept[v.live.UID]
	switch {
	case v.uid != "" && v.uid != v.live.UID:
		return skip("was replaced by somebody: the UID is another one")
	case kept:
		return skip("is the same object as %s, which is in the set", other)
	case p.a.readMarks(v.live)&(markKeep|markIgnore) != 0:
		return skip("marked not to be pruned")
	case !hasLabels(v.live, p.owner):
		return skip("belongs to somebody else by its labels")
	case v.ref.Kind == "Namespace" && slices.Contains(systemNamespaces, v.ref.Name):
		return skip("system namespaces are never deleted")
	}
	return res
}

func hasLabels(m *metav1.PartialObjectMetadata, want map[string]string) bool {
	for k, v := range want {
		if m.Labels[k] != v {
			return false
		}
	}
	return true
}

// pruneAttempts bounds how often a victim that changes all the time is judged
// anew.
const pruneAttempts = 5

// remove deletes a victim that deserves it. What was judged is what is deleted:
// UID and resource version are preconditions, and an object that somebody has
// written in the meantime, to take it over perhaps, is judged anew.
func (p *pruner) remove(ctx context.Context, v *victim) ObjectResult {
	started := time.Now()
	for attempt := 1; ; attempt++ {
		res := p.judge(v)
		if res.Action != Prune || res.Err != nil || v.live == nil {
			p.a.state.forget(p.set, v.ref)
			return res
		}
		err := p.delete(ctx, v)
		res.Duration = time.Since(started)
		switch {
		case err == nil:
		case apierrors.IsNotFound(err):
			res.Reason = "was gone already"
		case ctx.Err() != nil:
			return ObjectResult{Ref: v.ref, Version: v.version, Action: None}
		case apierrors.IsConflict(err) && attempt < pruneAttempts:
			if v.live, v.err = p.a.client.getMeta(ctx, v.target); v.err == nil || ctx.Err() == nil {
				continue
			}
			return ObjectResult{Ref: v.ref, Version: v.version, Action: None}
		default:
			res.Err = apiError("prune", &object{target: v.target}, err)
			return res
		}
		p.a.state.forget(p.set, v.ref)
		return res
	}
}

func (p *pruner) delete(ctx context.Context, v *victim) error {
	if p.a.state.beginDelete(p.set, v.ref) {
		defer p.a.state.end(v.ref, nil)
	}
	return p.a.delete(ctx, v.target, metav1.Preconditions{UID: &v.live.UID, ResourceVersion: &v.live.ResourceVersion})
}

func (a *Applier) delete(ctx context.Context, t target, only metav1.Preconditions) error {
	release, err := a.client.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	background := metav1.DeletePropagationBackground
	return retry(ctx, func() error {
		return a.client.metadata.Resource(t.gvr).Namespace(t.namespace()).Delete(ctx, t.ref.Name, metav1.DeleteOptions{
			Preconditions:     &only,
			PropagationPolicy: &background,
		})
	})
}
