package ssa

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitopskit/gitopskit/inventory"
)

// removeAll removes the victims, several at a time, last things first, and what
// is depended on by the annotation of another victim only when that is gone. It
// calls done, serially, for each but those that ctx kept it from.
func (p *pruner) removeAll(ctx context.Context, done func(i int, res ObjectResult)) {
	objects := p.connect()
	results := make([]ObjectResult, len(objects))
	s := newSchedule(objects)
	work := func(o *object) {
		results[o.index] = p.remove(ctx, p.victims[o.index], len(s.unlocks[o]) > 0)
	}
	s.drive(ctx, p.a.opts.Concurrency, work, func(o *object) bool {
		res := results[o.index]
		if res.Action != None {
			done(o.index, res)
		}
		if res.Err == nil && (res.Action == Prune || res.Action == Orphan || p.victims[o.index].live == nil) {
			s.done(o)
			return true
		}
		kept := s.fail(o)
		if ctx.Err() != nil {
			return false
		}
		for _, kept := range kept {
			r := ObjectResult{Ref: kept.ref, Version: kept.version, Action: Prune}
			r.Err = &Error{Op: "prune", Ref: kept.ref, Err: fmt.Errorf("%w: %s, which stays, depends on it", ErrDependency, o.ref)}
			done(kept.index, r)
		}
		return true
	})
}

// connect returns an object for each victim, which waits for those that depend
// on it. Dependencies in a circle are of no use, and left out.
func (p *pruner) connect() []*object {
	objects := make([]*object, len(p.victims))
	byRef := make(map[inventory.Ref]*object, len(p.victims))
	for i, v := range p.victims {
		objects[i] = &object{target: v.target, index: i}
		byRef[v.ref] = objects[i]
	}
	for i, v := range p.victims {
		if v.live == nil || v.live.Annotations[dependsOnAnnotation] == "" {
			continue
		}
		for part := range strings.SplitSeq(v.live.Annotations[dependsOnAnnotation], ",") {
			ref, err := parseDependency(strings.TrimSpace(part))
			if on := byRef[ref]; err == nil && on != nil {
				on.after = append(on.after, objects[i])
			}
		}
	}
	if findCycle(objects) != nil {
		for _, o := range objects {
			o.after = nil
		}
	}
	return objects
}

// pruneAttempts bounds how often a victim that changes all the time is judged
// anew.
const pruneAttempts = 5

// remove removes a victim that deserves it. What was judged is what is removed:
// UID and resource version are preconditions, and an object that somebody has
// written in the meantime, to take it over perhaps, is judged anew. With gone,
// it returns only when the object is no longer there.
func (p *pruner) remove(ctx context.Context, v *victim, gone bool) ObjectResult {
	started := time.Now()
	none := ObjectResult{Ref: v.ref, Version: v.version, Action: None}
	for attempt := 1; ; attempt++ {
		res := p.judge(v)
		if res.Action == Skip || res.Err != nil || v.live == nil {
			p.a.state.forget(p.opts.Set, v.ref)
			return res
		}
		err := p.delete(ctx, v)
		res.Duration = time.Since(started)
		switch {
		case err == nil:
			if gone && !p.opts.Orphan {
				err = p.a.awaitGone(ctx, v.target, v.live.UID, goneTimeout, p.tell)
			}
		case apierrors.IsNotFound(err):
			res.Reason, err = "was gone already", nil
		case apierrors.IsConflict(err) && attempt < pruneAttempts && p.lookAgain(ctx, v):
			continue
		}
		switch {
		case err == nil:
			p.a.state.forget(p.opts.Set, v.ref)
		case ctx.Err() != nil:
			return none
		default:
			res.Err = apiError("prune", &object{target: v.target}, err)
		}
		return res
	}
}

// lookAgain reads a victim that has changed, and reports whether it could.
func (p *pruner) lookAgain(ctx context.Context, v *victim) bool {
	before := v.live.ResourceVersion
	if v.live = p.recall(v.target); v.live != nil && olderRV(before, v.live.ResourceVersion) {
		return true
	}
	v.live, v.err = p.a.client.getMeta(ctx, v.target)
	return v.err == nil || ctx.Err() == nil
}

func (p *pruner) delete(ctx context.Context, v *victim) error {
	if p.a.state.beginDelete(p.opts.Set, v.ref) {
		defer p.a.state.end(v.ref, nil)
	}
	if p.opts.Orphan {
		return p.letGo(ctx, v)
	}
	return p.a.delete(ctx, v.target, metav1.Preconditions{UID: &v.live.UID, ResourceVersion: &v.live.ResourceVersion}, p.opts.Propagation)
}

// letGo takes away the labels that say that the object is ours.
func (p *pruner) letGo(ctx context.Context, v *victim) error {
	ops := []patchOp{
		{Op: "test", Path: "/metadata/uid", Value: v.live.UID},
		{Op: "replace", Path: "/metadata/resourceVersion", Value: v.live.ResourceVersion},
	}
	for _, k := range slices.Sorted(maps.Keys(p.opts.OwnerLabels)) {
		if _, ok := v.live.Labels[k]; ok {
			ops = append(ops, patchOp{Op: "remove", Path: "/metadata/labels/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(k)})
		}
	}
	if len(ops) == 2 {
		return nil
	}
	body, err := json.Marshal(ops)
	if err != nil {
		return err
	}
	return retry(ctx, func() error {
		_, err := p.a.client.patchMeta(ctx, v.target, body)
		return err
	})
}

func (a *Applier) delete(ctx context.Context, t target, only metav1.Preconditions, propagation metav1.DeletionPropagation) error {
	release, err := a.client.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	if propagation == "" {
		propagation = metav1.DeletePropagationBackground
	}
	return retry(ctx, func() error {
		return a.client.metadata.Resource(t.gvr).Namespace(t.namespace()).Delete(ctx, t.ref.Name, metav1.DeleteOptions{
			Preconditions:     &only,
			PropagationPolicy: &propagation,
		})
	})
}
