package ssa

import (
	"context"
	"errors"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa/health"
)

// A victim is an orphan with what is known of it.
type victim struct {
	target
	uid  types.UID // as recorded; "" if not
	live *metav1.PartialObjectMetadata
	err  error
	// awaited tells that somebody has to agree before it is removed.
	awaited bool
}

type pruner struct {
	a       *Applier
	opts    *ApplyOptions
	kept    map[types.UID]inventory.Ref // UIDs of what was just applied
	victims []*victim
	tell    func(health.Observation) // what holds one that is awaited; may be nil
}

func (r *run) pruner(ctx context.Context) *pruner {
	p := &pruner{a: r.a, opts: r.opts, tell: r.observer(), kept: map[types.UID]inventory.Ref{}}
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
	v.resource, v.err = p.a.kinds.anyVersion(ctx, e.GroupKind(), e.Version)
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
	known := e != nil && e.set == p.opts.Set && e.known && e.live != nil && e.rec != nil && st.watcher != nil && st.watcher.upToDate(t.gvr)
	if !known || !e.rec.holds(e.live) || e.live.marks&(markKeep|markIgnore|markDepends|markConfirm) != 0 {
		return nil
	}
	m := &metav1.PartialObjectMetadata{}
	m.Namespace, m.Name = t.ref.Namespace, t.ref.Name
	m.UID, m.ResourceVersion, m.Labels = e.live.uid, e.live.rv, p.opts.OwnerLabels
	return m
}

// judge says what is to become of a victim: the action Prune or Orphan, or Skip with
// the reason.
func (p *pruner) judge(v *victim) ObjectResult {
	res := ObjectResult{Ref: v.ref, Version: v.version, Action: Prune}
	if p.opts.Orphan {
		res.Action = Orphan
	}
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
	res.UID, v.awaited = v.live.UID, false
	other, kept := p.kept[v.live.UID]
	switch {
	case v.uid != "" && v.uid != v.live.UID:
		return skip("was replaced by somebody: the UID is another one")
	case kept:
		return skip("is the same object as %s, which is in the set", other)
	case p.a.readMarks(v.live)&(markKeep|markIgnore) != 0:
		return skip("marked not to be pruned")
	case !p.opts.pruneAdoption().allows(v.live.Labels, p.opts.OwnerLabels):
		return skip("belongs to somebody else by its labels")
	case v.ref.Kind == "Namespace" && slices.Contains(systemNamespaces, v.ref.Name):
		return skip("system namespaces are never deleted")
	case p.a.readMarks(v.live)&markConfirm != 0:
		v.awaited = true
		return skip("waits to be confirmed: annotate it with %s=%s", p.a.marks.prune, pruneConfirmed)
	}
	return res
}
