package notify

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Options configures [New].
type Options struct {
	// Destinations to begin with; see [Dispatcher.Set].
	Destinations []Destination
	// DedupWindow is how long a repetition (see [Event.Key]) is refused; 5
	// minutes where zero, never where negative.
	DedupWindow time.Duration
	// DedupKeys bounds the keys that are remembered; 100,000 where zero.
	// Where more come within the window, the oldest are forgotten early.
	DedupKeys int
	// DrainTimeout is how long Run goes on sending after its context has
	// ended; 10 s where zero, not at all where negative.
	DrainTimeout time.Duration
	// Store keeps accepted events over restarts; nil keeps them in memory
	// alone. See [OpenJournal].
	Store Store
	// OnDeadLetter is told of each event that will not be delivered; calls
	// are serial and should be short. Nil logs them as errors.
	OnDeadLetter func(DeadLetter)
	// Secrets are masked in all events and errors, besides those of the
	// destinations.
	Secrets []string
	// Logger gets failures and dead letters; nil discards.
	Logger *slog.Logger
}

// Receipt tells where a dispatched event goes.
type Receipt struct {
	// Destinations are the names of those whose rules let it through.
	Destinations []string
}

// Dispatcher takes events and sees to it that they are sent. Many goroutines may
// use it.
type Dispatcher struct {
	opts    Options
	log     *slog.Logger
	dedup   *recent[struct{}]
	deadMu  sync.Mutex
	changed chan struct{}

	mu      sync.RWMutex
	targets []*target
	masker  *Masker
	orphans map[string][]Stored
	failing map[string][]Failing // of destinations that are not set yet
	stopped bool
	running bool
	// inflight counts calls of Dispatch that may still add to queues.
	inflight sync.WaitGroup
}

// New returns a dispatcher that has read what its store kept; Run does the
// sending. Errors wrap [ErrInvalid] or [ErrStore].
func New(ctx context.Context, o Options) (*Dispatcher, error) {
	if o.DedupWindow == 0 {
		o.DedupWindow = 5 * time.Minute
	}
	if o.DedupKeys <= 0 {
		o.DedupKeys = 100_000
	}
	if o.DrainTimeout == 0 {
		o.DrainTimeout = 10 * time.Second
	}
	d := &Dispatcher{
		opts: o, log: o.Logger, dedup: newRecent[struct{}](o.DedupWindow, (o.DedupKeys+1)/2),
		changed: make(chan struct{}, 1), orphans: map[string][]Stored{},
		failing: map[string][]Failing{},
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if o.Store != nil {
		kept, err := o.Store.Load(ctx)
		if err != nil {
			return nil, &Error{Op: "load", Err: errors.Join(ErrStore, err)}
		}
		for _, k := range kept.Recent {
			d.dedup.add(k.Key, struct{}{}, k.Time)
		}
		for _, s := range kept.Pending {
			d.orphans[s.Destination] = append(d.orphans[s.Destination], s)
		}
		for _, f := range kept.Failing {
			d.failing[f.Destination] = append(d.failing[f.Destination], f)
		}
	}
	for _, dest := range o.Destinations {
		if err := d.Set(ctx, dest); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// Set adds a destination, or replaces the one with its name: what waits for it
// is sent by the new one. What the store kept for that name is queued. More
// workers start at once; fewer, when Run is called anew.
func (d *Dispatcher) Set(ctx context.Context, dest Destination) error {
	dest, err := dest.complete()
	if err != nil {
		return &Error{Op: "set destination", Ref: dest.Name, Err: err}
	}
	d.mu.Lock()
	i := slices.IndexFunc(d.targets, func(t *target) bool { return t.name == dest.Name })
	var t *target
	if i >= 0 {
		t = d.targets[i]
		t.update(dest)
	} else {
		t = newTarget(dest)
		for _, f := range d.failing[dest.Name] {
			t.failing.add(f.Object, f.Since, f.Since)
		}
		delete(d.failing, dest.Name)
		d.targets = append(slices.Clone(d.targets), t)
	}
	d.remask()
	kept := d.orphans[dest.Name]
	delete(d.orphans, dest.Name)
	d.mu.Unlock()
	for _, s := range kept {
		d.resume(ctx, t, s)
	}
	signal(d.changed)
	return nil
}

// resume queues what the store kept, unless it is in doubt and may not be sent
// again. It may exceed the queue's limit, which the store has bounded.
func (d *Dispatcher) resume(ctx context.Context, t *target, s Stored) {
	if s.Sending && t.config().atMostOnce() {
		d.bury(ctx, t, s.Delivery, ErrInDoubt)
		return
	}
	t.queue.mu.Lock()
	defer t.queue.mu.Unlock()
	t.queue.add(item{d: s.Delivery, queued: time.Now()})
}

// Remove forgets a destination. What waits for it, here or in the store, becomes
// dead letters with [ErrRemoved]; what is being sent is sent.
func (d *Dispatcher) Remove(ctx context.Context, name string) {
	d.mu.Lock()
	i := slices.IndexFunc(d.targets, func(t *target) bool { return t.name == name })
	var t *target
	if i >= 0 {
		t = d.targets[i]
		d.targets = slices.Delete(slices.Clone(d.targets), i, i+1)
		d.remask()
	}
	kept := d.orphans[name]
	delete(d.orphans, name)
	d.mu.Unlock()
	for _, s := range kept {
		d.bury(ctx, nil, s.Delivery, ErrRemoved)
	}
	if t == nil {
		return
	}
	t.mu.Lock()
	t.removed = true
	t.mu.Unlock()
	t.queue.end()
	d.buryRemoved(ctx, t)
}

func (d *Dispatcher) buryRemoved(ctx context.Context, t *target) {
	for _, it := range t.queue.clear() {
		d.bury(ctx, t, it.d, ErrRemoved)
	}
}

// remask collects the secrets of all; d.mu is held.
func (d *Dispatcher) remask() {
	secrets := slices.Clone(d.opts.Secrets)
	for _, t := range d.targets {
		secrets = append(secrets, t.config().Secrets...)
	}
	d.masker = NewMasker(secrets...)
}

// Dispatch takes an event: when it returns without an error, the event is in the
// store, if there is one, and in the queue of each destination whose rules let
// it through. It does not wait for the sending. Errors wrap [ErrInvalid],
// [ErrDuplicate], [ErrStopped] or [ErrStore]; the event was then not taken and,
// but for ErrDuplicate and ErrInvalid, may be dispatched again.
func (d *Dispatcher) Dispatch(ctx context.Context, e Event) (Receipt, error) {
	if err := e.Validate(); err != nil {
		return Receipt{}, &Error{Op: "dispatch", Ref: e.InvolvedObject.String(), Err: err}
	}
	d.mu.RLock()
	if d.stopped {
		d.mu.RUnlock()
		return Receipt{}, &Error{Op: "dispatch", Ref: e.InvolvedObject.String(), Err: ErrStopped}
	}
	d.inflight.Add(1)
	defer d.inflight.Done()
	targets, masker := d.targets, d.masker
	d.mu.RUnlock()

	now := time.Now()
	e = masker.Event(e.complete(now))
	sum := e.key()
	key := hex.EncodeToString(sum)
	if d.opts.DedupWindow > 0 && !d.dedup.add(key, struct{}{}, now) {
		return Receipt{}, &Error{Op: "dispatch", Ref: e.InvolvedObject.String(), Err: ErrDuplicate}
	}
	receipt, accepted, deliveries := route(targets, e, sum)
	if d.opts.Store != nil && len(deliveries) > 0 {
		if err := d.opts.Store.Put(ctx, RecentKey{Key: key, Time: now}, deliveries); err != nil {
			d.dedup.remove(key)
			return Receipt{}, &Error{Op: "dispatch", Ref: e.InvolvedObject.String(), Err: errors.Join(ErrStore, err)}
		}
	}
	for i, t := range accepted {
		d.enqueue(ctx, t, item{d: deliveries[i], queued: now})
	}
	return receipt, nil
}

func route(targets []*target, e Event, key []byte) (Receipt, []*target, []Delivery) {
	var r Receipt
	var accepted []*target
	var deliveries []Delivery
	seen := make(verdicts, 0, 4)
	for _, t := range targets {
		sent, ok := t.match(e, &seen)
		if !ok {
			continue
		}
		r.Destinations = append(r.Destinations, t.name)
		accepted = append(accepted, t)
		deliveries = append(deliveries, Delivery{ID: e.deliveryID(key, t.name), Destination: t.name, Event: sent})
	}
	return r, accepted, deliveries
}

func (d *Dispatcher) enqueue(ctx context.Context, t *target, it item) {
	t.counts.accepted.Add(1)
	c := t.config()
	if c.Overflow == Wait {
		if err := t.queue.pushWaiting(ctx, it); err != nil {
			t.counts.dropped.Add(1)
			d.bury(ctx, t, it.d, fmt.Errorf("%w: %w", ErrQueueFull, err))
		}
	} else if victim := t.queue.push(it); victim != nil {
		t.counts.dropped.Add(1)
		d.bury(ctx, t, victim.d, ErrQueueFull)
	}
	if t.isRemoved() {
		d.buryRemoved(ctx, t)
	}
}

// bury makes a dead letter: first it is reported, then the store forgets it, so
// that a crash between the two reports it again.
func (d *Dispatcher) bury(ctx context.Context, t *target, del Delivery, cause error) {
	d.mu.RLock()
	masker := d.masker
	d.mu.RUnlock()
	letter := DeadLetter{Delivery: del, Err: masker.Error(cause), Time: time.Now()}
	if t != nil {
		t.counts.dead.Add(1)
	}
	d.log.Error("event not delivered", "destination", del.Destination, "object", del.Event.InvolvedObject.String(),
		"reason", del.Event.Reason, "error", letter.Err)
	if d.opts.OnDeadLetter != nil {
		d.deadMu.Lock()
		d.opts.OnDeadLetter(letter)
		d.deadMu.Unlock()
	}
	d.mark(ctx, Dead, []item{{d: del}})
}

func (d *Dispatcher) mark(ctx context.Context, s State, items []item) {
	if d.opts.Store == nil {
		return
	}
	ids := make([]string, len(items))
	for i, it := range items {
		ids[i] = it.d.ID
	}
	// What has happened is written down also when the caller's time is up.
	if err := d.opts.Store.Mark(context.WithoutCancel(ctx), s, ids); err != nil {
		d.log.Error("event store: what became of events is not kept; they may be sent again", "state", s.String(), "error", err)
	}
}
