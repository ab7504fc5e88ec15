package notify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Run sends what is dispatched until ctx ends. Then Dispatch refuses, and Run goes
// on sending what waits for at most Options.DrainTimeout. What is left then
// stays in the store for the next start; without a store it becomes dead
// letters with [ErrStopped]. When Run returns, all its goroutines have ended. It
// runs once; a second call fails with [ErrInvalid].
func (d *Dispatcher) Run(ctx context.Context) error {
	d.mu.Lock()
	if d.running || d.stopped {
		d.mu.Unlock()
		return &Error{Op: "run", Err: fmt.Errorf("%w: a Dispatcher runs once", ErrInvalid)}
	}
	d.running = true
	d.mu.Unlock()

	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var wg sync.WaitGroup
	for ctx.Err() == nil {
		d.startWorkers(work, &wg)
		select {
		case <-ctx.Done():
		case <-d.changed:
		}
	}
	d.stop(work, &wg, cancel)
	return nil
}

func (d *Dispatcher) startWorkers(work context.Context, wg *sync.WaitGroup) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, t := range d.targets {
		t.mu.Lock()
		for ; t.workers < t.current.Workers; t.workers++ {
			wg.Go(func() { d.worker(work, t) })
		}
		t.mu.Unlock()
	}
}

func (d *Dispatcher) stop(work context.Context, wg *sync.WaitGroup, cancel context.CancelFunc) {
	d.mu.Lock()
	d.stopped = true
	targets := d.targets
	d.mu.Unlock()
	d.startWorkers(work, wg)
	if d.opts.DrainTimeout > 0 {
		timer := time.AfterFunc(d.opts.DrainTimeout, cancel)
		defer timer.Stop()
	} else {
		cancel()
	}
	// Who is in Dispatch gets to the end of it before the queues may end.
	d.inflight.Wait()
	for _, t := range targets {
		t.queue.end()
	}
	wg.Wait()
	for _, t := range targets {
		for _, it := range t.queue.clear() {
			if d.opts.Store == nil {
				d.bury(work, t, it.d, ErrStopped)
			}
		}
	}
}

func (d *Dispatcher) worker(ctx context.Context, t *target) {
	defer func() {
		if t.isRemoved() {
			d.buryRemoved(ctx, t)
		}
	}()
	for {
		b := t.queue.take(ctx, t.config().grouping())
		if b == nil {
			return
		}
		if err := t.limiter().wait(ctx); err != nil {
			t.queue.delay(b, 0, false)
			return
		}
		d.attempt(ctx, t, b)
	}
}

// attempt sends a batch once and sees to what comes of it.
func (d *Dispatcher) attempt(ctx context.Context, t *target, b *batch) {
	c := t.config()
	if c.atMostOnce() {
		d.mark(ctx, Sending, b.items)
	}
	b.attempt++
	begun := time.Now()
	err := d.send(ctx, c, b)
	t.counts.sendNanos.Add(int64(time.Since(begun)))
	t.counts.messages.Add(1)
	if err == nil {
		t.counts.delivered.Add(int64(len(b.items)))
		d.mark(ctx, Delivered, b.items)
		t.queue.done(b)
		return
	}
	t.counts.failures.Add(1)
	err = d.maskError(err)
	d.log.Warn("destination failed", "destination", t.name, "attempt", b.attempt, "error", err)
	if ctx.Err() != nil { // cut off by the end of Run, not refused
		b.attempt--
	}
	if cause := giveUp(c, b, err); cause != nil {
		for _, it := range b.items {
			d.bury(ctx, t, it.d, cause)
		}
		t.queue.done(b)
		return
	}
	if c.atMostOnce() {
		d.mark(ctx, Waiting, b.items)
	}
	wait, rest := retryIn(c, b, err)
	t.queue.delay(b, wait, rest)
}

// giveUp returns why there is no further attempt, or nil.
func giveUp(c *Destination, b *batch, err error) error {
	var s *SendError
	switch known := errors.As(err, &s); {
	case known && s.Permanent:
		return fmt.Errorf("%w: %w", ErrRefused, err)
	case known && s.InDoubt && c.atMostOnce():
		return fmt.Errorf("%w: %w", ErrInDoubt, err)
	case b.attempt >= c.Retry.Attempts:
		return fmt.Errorf("%w (%d): %w", ErrExhausted, b.attempt, err)
	}
	return nil
}

func retryIn(c *Destination, b *batch, err error) (wait time.Duration, rest bool) {
	var s *SendError
	if errors.As(err, &s) && s.RetryAfter > 0 {
		return min(s.RetryAfter, c.Retry.MaxRetryAfter), true
	}
	return c.Retry.backoff(max(b.attempt, 1)), false
}

// send calls the sender; a panic in it is a permanent failure of this message.
func (d *Dispatcher) send(ctx context.Context, c *Destination, b *batch) (err error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = &SendError{Permanent: true, Err: fmt.Errorf("sender panicked: %v", p)}
		}
	}()
	if len(b.items) == 1 {
		one := b.items[0].d
		one.Attempt = b.attempt
		return c.Sender.Send(ctx, one)
	}
	ds := make([]Delivery, len(b.items))
	for i, it := range b.items {
		ds[i] = it.d
		ds[i].Attempt = b.attempt
	}
	return c.Sender.(GroupSender).SendGroup(ctx, ds)
}

func (d *Dispatcher) maskError(err error) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.masker.Error(err)
}
