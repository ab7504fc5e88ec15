package notify

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Destination is where events go.
type Destination struct {
	// Name is unique in a dispatcher and lasts over restarts. Required.
	Name string
	// Sender sends. Required.
	Sender Sender
	// Rules let events through; one that matches is enough, the first that
	// does adds its metadata. None means every event but traces.
	Rules []*Matcher
	// QueueSize is how many events wait at most; 1,024 where zero.
	QueueSize int
	// Overflow says what happens when more come.
	Overflow Overflow
	// Workers is how many messages are on their way at once; 1 where zero.
	// Events of one object are sent in order in any case.
	Workers int
	// Timeout ends an attempt; 15 s where zero.
	Timeout time.Duration
	// Retry says when to try again.
	Retry Retry
	// Rate limits messages.
	Rate Rate
	// Group puts bursts into one message; it has an effect only where Sender
	// is a [GroupSender].
	Group Group
	// AtMostOnce gives up, as a dead letter with [ErrInDoubt], what may have
	// been taken although no answer was seen. Otherwise it is sent again. It
	// has no effect where Sender is a [Deduplicator] that deduplicates:
	// sending again does no harm there.
	AtMostOnce bool
	// Secrets are masked in all events, to this and other destinations, and
	// in errors.
	Secrets []string
}

// Group says how bursts are put together.
type Group struct {
	// Max is how many events one message holds; up to 1 means no groups.
	Max int
	// Window is how long the first event waits for others; zero takes what
	// is there.
	Window time.Duration
}

// Retry says how often and when a failed message is tried again. Between two
// attempts is a random time between half of it and all of it, which doubles from
// Min to Max.
type Retry struct {
	// Attempts is how many there are in all; 5 where zero.
	Attempts int
	// Min is the first wait; 2 s where zero.
	Min time.Duration
	// Max is the longest; 30 s where zero.
	Max time.Duration
	// MaxRetryAfter bounds what a destination may ask for by Retry-After; 10
	// minutes where zero.
	MaxRetryAfter time.Duration
}

// Overflow says what happens to an event when a queue is full.
type Overflow int

const (
	// DropOldest makes a dead letter of the one that waits longest.
	DropOldest Overflow = iota
	// Wait lets Dispatch wait, as long as its context allows. A destination
	// that hangs then holds up all who dispatch.
	Wait
)

func (r Retry) complete() Retry {
	if r.Attempts <= 0 {
		r.Attempts = 5
	}
	if r.Min <= 0 {
		r.Min = 2 * time.Second
	}
	if r.Max <= 0 {
		r.Max = 30 * time.Second
	}
	if r.MaxRetryAfter <= 0 {
		r.MaxRetryAfter = 10 * time.Minute
	}
	return r
}

// backoff returns the wait after the given attempt, which counts from 1.
func (r Retry) backoff(attempt int) time.Duration {
	d := r.Min
	for range attempt - 1 {
		if d *= 2; d >= r.Max {
			break
		}
	}
	d = min(d, r.Max)
	return d/2 + rand.N(d/2+1)
}

func (d Destination) complete() (Destination, error) {
	var missing []string
	if d.Name == "" {
		missing = append(missing, "Name")
	}
	if d.Sender == nil {
		missing = append(missing, "Sender")
	}
	if len(missing) > 0 {
		return d, fmt.Errorf("%w: Destination lacks %s", ErrInvalid, strings.Join(missing, ", "))
	}
	if slices.Contains(d.Rules, nil) {
		return d, fmt.Errorf("%w: a rule of the destination is nil", ErrInvalid)
	}
	if d.QueueSize <= 0 {
		d.QueueSize = 1024
	}
	if d.Workers <= 0 {
		d.Workers = 1
	}
	if d.Timeout <= 0 {
		d.Timeout = 15 * time.Second
	}
	d.Rules, d.Secrets = slices.Clone(d.Rules), slices.Clone(d.Secrets)
	d.Retry = d.Retry.complete()
	return d, nil
}

func (d *Destination) pass(e Event, seen *verdicts) (Event, bool) {
	if len(d.Rules) == 0 {
		if e.Severity == SeverityTrace {
			return Event{}, false
		}
		e.Metadata = (&Matcher{}).metadata(e)
		return e, true
	}
	for _, m := range d.Rules {
		if out, ok := seen.match(m, e); ok {
			return out, true
		}
	}
	return Event{}, false
}

// target is a destination at work.
type target struct {
	name    string
	mu      sync.Mutex
	current *Destination
	queue   *queue
	limit   *limiter
	failing *recent[time.Time]
	workers int
	removed bool
	counts  counters
}

type counters struct {
	accepted, delivered, messages, failures, dead, dropped, sendNanos atomic.Int64
}

func newTarget(d Destination) *target {
	return &target{
		name: d.Name, current: &d, queue: newQueue(d.QueueSize), limit: &limiter{rate: d.Rate},
		failing: newRecent[time.Time](0, maxFailing),
	}
}

func (t *target) config() *Destination {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.current
}

func (t *target) isRemoved() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.removed
}

func (t *target) limiter() *limiter {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.limit
}

// update takes over a new configuration; what waits goes on waiting.
func (t *target) update(d Destination) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current.Rate != d.Rate {
		t.limit = &limiter{rate: d.Rate}
	}
	t.current = &d
	t.queue.mu.Lock()
	defer t.queue.mu.Unlock()
	t.queue.limit = d.QueueSize
	signal(t.queue.space)
}

// grouping returns how deliveries are put together.
func (d *Destination) grouping() grouping {
	if _, ok := d.Sender.(GroupSender); !ok {
		return grouping{limit: 1}
	}
	return grouping{limit: d.Group.Max, window: d.Group.Window}
}

// atMostOnce tells whether what is in doubt is given up.
func (d *Destination) atMostOnce() bool {
	if s, ok := d.Sender.(Deduplicator); ok && s.Deduplicates() {
		return false
	}
	return d.AtMostOnce
}
