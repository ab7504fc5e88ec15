package health

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/gitopskit/gitopskit/internal/objwatch"
	"github.com/gitopskit/gitopskit/inventory"
)

// A Waiter waits for objects of one cluster. It is safe for concurrent use.
type Waiter struct {
	client dynamic.Interface
	mapper meta.RESTMapperWithContext
}

// NewWaiter returns a Waiter for the cluster that cfg leads to, which finds
// the resources of kinds by mapper. It sends no request.
func NewWaiter(cfg *rest.Config, mapper meta.RESTMapper) (*Waiter, error) {
	if cfg == nil || mapper == nil {
		return nil, errors.New("health: NewWaiter needs a rest.Config and a RESTMapper")
	}
	cfg = rest.CopyConfig(cfg)
	cfg.QPS, cfg.RateLimiter = -1, nil
	client, err := dynamic.NewForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("health: %w", err)
	}
	return &Waiter{client: client, mapper: meta.ToRESTMapperWithContext(mapper)}, nil
}

// WaitOptions say how to wait. The zero value waits for five minutes and does
// not give up before.
type WaitOptions struct {
	// Timeout is how long to wait at most. Default: 5 minutes.
	Timeout time.Duration

	// FailFast ends the wait as soon as an object has failed that can't recover
	// without a change. Default: it is waited for to the end, since somebody may
	// mend it.
	FailFast bool

	// ReadAll reads objects of kinds without a status too, to see whether they are
	// there. Default: they are taken for Current, as they are after an apply,
	// unless Read is given, which may see a status in what they have.
	ReadAll bool

	// Read reads the status of objects. Default: Evaluate.
	Read Reader

	// MayBeGone says of an object that is not there that it has done its work and
	// been removed, as a Job with a TTL is. Default: an object that is not there is
	// waited for, but for a Job that was seen with a TTL.
	MayBeGone func(inventory.Ref) bool

	// Explain looks at the pods of workloads that are not ready while waiting, and
	// adds what they complain of to the messages that OnChange is told: after a
	// second, and then less and less often up to every 30 seconds, by two requests
	// for each of 10 objects at most. Default: pods are looked at only when time
	// has run out.
	Explain bool

	// OnChange is told whenever an object's status changes. It is called by one
	// goroutine at a time, and never after Wait has returned. Default: nobody is
	// told.
	OnChange func(Observation)
}

const defaultTimeout = 5 * time.Minute

// Wait watches the objects until all are Current. It returns the last that was
// seen of each, in the order of objects, also where it returns an error: a
// *WaitError that names what is missing.
//
// A Canary of Flagger is Current, or Failed, only when Flagger has seen its target
// as it is now: until its next look, the Canary says what became of the revision
// before. Its Deployment or DaemonSet, the primary one and the ConfigMaps and
// Secrets that it tracks are read for that; where the account may not, the Canary is
// taken at its word.
//
// Kinds without a status by design are not read unless WaitOptions.ReadAll or
// WaitOptions.Read says so: they are Current.
func (w *Waiter) Wait(ctx context.Context, objects []inventory.Entry, opts WaitOptions) ([]Observation, error) {
	if opts.Timeout <= 0 {
		opts.Timeout = defaultTimeout
	}
	if opts.Read == nil {
		opts.Read = Evaluate
	} else {
		opts.ReadAll = true
	}
	inner, cancel := context.WithTimeoutCause(ctx, opts.Timeout, ErrTimeout)
	defer cancel()
	b := newBoard(objects, opts)
	w.watchAll(inner, b)
	if b.open > 0 && errors.Is(context.Cause(inner), ErrTimeout) {
		w.explain(ctx, b)
	}
	return b.end(context.Cause(inner))
}

// watchAll runs a watch for each collection that holds some of the objects,
// until all objects are ready, one has failed for good or ctx ends.
func (w *Waiter) watchAll(ctx context.Context, b *board) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	b.stop = stop
	if b.over() {
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	if b.opts.Explain {
		explaining, end := context.WithCancel(ctx)
		defer end()
		wg.Go(func() { w.keepExplaining(explaining, b) })
	}
	guard := &canaryGuard{w: w, board: b, held: map[inventory.Ref]heldCanary{}}
	if b.hasCanaries() {
		guarding, end := context.WithCancel(ctx)
		defer end()
		wg.Go(func() { guard.run(guarding) })
	}
	w.watchGroups(ctx, b, guard)
}

func (w *Waiter) watchGroups(ctx context.Context, b *board, guard *canaryGuard) {
	var wg sync.WaitGroup
	for _, g := range w.groups(ctx, b) {
		wg.Go(func() {
			h := &groupHandler{board: b, group: g}
			if g.gk == canaryKind {
				h.guard = guard
				h.look = func(ref inventory.Ref, u *unstructured.Unstructured) { guard.saw(ctx, ref, u) }
			}
			if err := objwatch.Run(ctx, w.collection(g), h); err != nil && ctx.Err() == nil {
				b.unreadable(g, err)
			}
		})
	}
	wg.Wait()
}

// A group is a collection to be watched and the kind of its objects.
type group struct {
	gk        schema.GroupKind
	gvr       schema.GroupVersionResource
	namespace string // "" for all
	name      string // "" for all
}

// fewNamespaces are watched one by one; more, with one watch of all.
const fewNamespaces = 4

func (w *Waiter) groups(ctx context.Context, b *board) []group {
	type kind struct {
		gk      schema.GroupKind
		version string
	}
	byKind := map[kind]map[string][]string{} // kind → namespace → names
	for _, o := range b.observed {
		if o.Status == Current {
			continue
		}
		k := kind{o.Ref.GroupKind(), o.Version}
		if byKind[k] == nil {
			byKind[k] = map[string][]string{}
		}
		byKind[k][o.Ref.Namespace] = append(byKind[k][o.Ref.Namespace], o.Ref.Name)
	}
	var out []group
	for k, namespaces := range byKind {
		m, err := w.mapper.RESTMappingWithContext(ctx, k.gk, k.version)
		if ctx.Err() != nil {
			return out
		}
		if err != nil {
			b.unreadable(group{gk: k.gk}, err)
			continue
		}
		if len(namespaces) > fewNamespaces {
			out = append(out, group{gk: k.gk, gvr: m.Resource})
			continue
		}
		for ns, names := range namespaces {
			g := group{gk: k.gk, gvr: m.Resource, namespace: ns}
			if len(names) == 1 {
				g.name = names[0]
			}
			out = append(out, g)
		}
	}
	return out
}

func (w *Waiter) collection(g group) objwatch.Collection {
	res := w.client.Resource(g.gvr).Namespace(g.namespace)
	c := objwatch.Collection{
		List: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return res.List(ctx, o) },
		Watch: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return res.Watch(ctx, o)
		},
	}
	if g.name != "" {
		c.FieldSelector = "metadata.name=" + g.name
	}
	return c
}

// groupHandler tells the board what the watch of a group has seen.
type groupHandler struct {
	board *board
	group group
	seen  map[inventory.Ref]bool // during a list

	// For canaries only:
	guard *canaryGuard
	look  func(inventory.Ref, *unstructured.Unstructured) // looks closer than the board does
}

func (h *groupHandler) BeginList() { h.seen = map[inventory.Ref]bool{} }

func (h *groupHandler) EndList(string) {
	if h.guard != nil {
		h.guard.dropMissing(h.group, h.seen)
	}
	h.board.absent(h.group, h.seen)
	h.seen = nil
}

func (h *groupHandler) Set(o runtime.Object) {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return
	}
	ref := inventory.Ref{Group: h.group.gk.Group, Kind: h.group.gk.Kind, Namespace: u.GetNamespace(), Name: u.GetName()}
	if h.seen != nil {
		h.seen[ref] = true
	}
	if h.guard != nil && h.board.has(ref) {
		h.look(ref, u)
		return
	}
	h.board.saw(ref, u)
}

func (h *groupHandler) Delete(o runtime.Object) {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return
	}
	ref := inventory.Ref{Group: h.group.gk.Group, Kind: h.group.gk.Kind, Namespace: u.GetNamespace(), Name: u.GetName()}
	if h.guard != nil {
		h.guard.drop(ref)
	}
	h.board.gone(ref)
}

func (h *groupHandler) Down(error) {}
func (h *groupHandler) Up()        {}
