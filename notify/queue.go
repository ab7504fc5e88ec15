package notify

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// item is a delivery that waits.
type item struct {
	d      Delivery
	queued time.Time
}

// lane holds the waiting deliveries about one object, in order. While one of them
// is being sent or waits for its next attempt, the lane is held: what comes
// later about that object must not overtake it.
type lane struct {
	key     string
	waiting []item
}

// batch is what one attempt sends: one delivery, or a group.
type batch struct {
	items     []item
	lanes     []*lane
	attempt   int
	notBefore time.Time
}

// batches is a heap by notBefore.
type batches []*batch

func (b batches) Len() int           { return len(b) }
func (b batches) Less(i, j int) bool { return b[i].notBefore.Before(b[j].notBefore) }
func (b batches) Swap(i, j int)      { b[i], b[j] = b[j], b[i] }
func (b *batches) Push(x any)        { *b = append(*b, x.(*batch)) }
func (b *batches) Pop() any {
	old := *b
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*b = old[:len(old)-1]
	return last
}

// queue holds what one destination still gets. Its memory is bounded by limit.
type queue struct {
	mu      sync.Mutex
	limit   int
	size    int // deliveries waiting, delayed and being sent
	lanes   map[string]*lane
	ready   []*lane // with something waiting and not held, first come first
	ready0  int     // lanes before it are gone
	delayed batches
	rest    time.Time // the destination asked to be left alone until then
	ending  bool
	wake    chan struct{}
	space   chan struct{}
}

func newQueue(limit int) *queue {
	return &queue{limit: limit, lanes: map[string]*lane{}, wake: make(chan struct{}, 1), space: make(chan struct{}, 1)}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// push adds a delivery. Where the queue is full, the one that gives way is
// returned: the one that waits longest and is not being sent, or the new one.
func (q *queue) push(it item) (gaveWay *item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.size >= q.limit {
		victim, ok := q.evict(it.d.Event.InvolvedObject.lane())
		if !ok {
			return &it
		}
		gaveWay = &victim
	}
	q.add(it)
	return gaveWay
}

// pushUnlessFull adds a delivery if there is space.
func (q *queue) pushUnlessFull(it item) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.size >= q.limit {
		return false
	}
	q.add(it)
	if q.size < q.limit {
		signal(q.space)
	}
	return true
}

// pushWaiting adds a delivery as soon as there is space.
func (q *queue) pushWaiting(ctx context.Context, it item) error {
	for !q.pushUnlessFull(it) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-q.space:
		}
	}
	return nil
}

func (q *queue) add(it item) {
	key := it.d.Event.InvolvedObject.lane()
	l := q.lanes[key]
	if l == nil {
		l = &lane{key: key}
		q.lanes[key] = l
		q.ready = append(q.ready, l)
	}
	l.waiting = append(l.waiting, it)
	q.size++
	signal(q.wake)
}

func (q *queue) evict(newcomer string) (item, bool) {
	l := q.lanes[newcomer]
	if q.ready0 < len(q.ready) {
		l = q.ready[q.ready0]
	}
	if l == nil || len(l.waiting) == 0 {
		return item{}, false
	}
	it := l.waiting[0]
	l.waiting = l.waiting[1:]
	q.size--
	if len(l.waiting) == 0 && q.ready0 < len(q.ready) && q.ready[q.ready0] == l {
		q.popReady()
		delete(q.lanes, l.key)
	}
	return it, true
}

func (q *queue) popReady() *lane {
	l := q.ready[q.ready0]
	q.ready[q.ready0] = nil
	q.ready0++
	if q.ready0 > 64 && q.ready0*2 > len(q.ready) {
		q.ready = append(q.ready[:0], q.ready[q.ready0:]...)
		q.ready0 = 0
	}
	return l
}

// grouping says how many deliveries make one message, and how long the first
// waits for more.
type grouping struct {
	limit  int
	window time.Duration
}

// take waits for the next batch. It returns nil when ctx ends, or when the queue
// is ending and empty.
func (q *queue) take(ctx context.Context, g grouping) *batch {
	for {
		b, wait, over := q.next(time.Now(), g)
		if b != nil {
			return b
		}
		if over {
			signal(q.wake) // the next worker sees it too
			return nil
		}
		if !q.sleep(ctx, wait) {
			return nil
		}
	}
}

func (q *queue) sleep(ctx context.Context, wait time.Duration) bool {
	var timeout <-chan time.Time
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-q.wake:
	case <-timeout:
	}
	return true
}

// next returns a batch, or how long to wait for one (0: until woken), or that
// there will be none.
func (q *queue) next(now time.Time, g grouping) (b *batch, wait time.Duration, over bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.size == 0 {
		return nil, 0, q.ending
	}
	if wait = q.rest.Sub(now); wait > 0 {
		return nil, wait, false
	}
	if len(q.delayed) > 0 && !q.delayed[0].notBefore.After(now) {
		b = heap.Pop(&q.delayed).(*batch)
		signal(q.wake)
		return b, 0, false
	}
	wait = 0
	if len(q.delayed) > 0 {
		wait = q.delayed[0].notBefore.Sub(now)
	}
	if q.ready0 == len(q.ready) {
		return nil, wait, false
	}
	if more := q.gatherFor(now, g); more > 0 {
		if wait == 0 || more < wait {
			wait = more
		}
		return nil, wait, false
	}
	b = q.gather(max(g.limit, 1))
	if q.ready0 < len(q.ready) {
		signal(q.wake)
	}
	return b, 0, false
}

// gatherFor returns how long to wait for a group to fill.
func (q *queue) gatherFor(now time.Time, g grouping) time.Duration {
	if g.limit <= 1 || g.window <= 0 || q.ending {
		return 0
	}
	n := 0
	oldest := now
	for _, l := range q.ready[q.ready0:] {
		if n += len(l.waiting); n >= g.limit {
			return 0
		}
		if l.waiting[0].queued.Before(oldest) {
			oldest = l.waiting[0].queued
		}
	}
	return oldest.Add(g.window).Sub(now)
}

// gather takes up to limit deliveries from the ready lanes and holds these.
func (q *queue) gather(limit int) *batch {
	b := &batch{}
	for q.ready0 < len(q.ready) && len(b.items) < limit {
		l := q.popReady()
		n := min(limit-len(b.items), len(l.waiting))
		b.items = append(b.items, l.waiting[:n]...)
		l.waiting = l.waiting[n:]
		b.lanes = append(b.lanes, l)
	}
	return b
}

// delay puts a batch back for another attempt. With rest the whole destination
// waits.
func (q *queue) delay(b *batch, wait time.Duration, rest bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	b.notBefore = time.Now().Add(wait)
	heap.Push(&q.delayed, b)
	if rest && b.notBefore.After(q.rest) {
		q.rest = b.notBefore
	}
	signal(q.wake)
}

// done forgets a batch and lets its lanes go on.
func (q *queue) done(b *batch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.size -= len(b.items)
	for _, l := range b.lanes {
		if len(l.waiting) == 0 {
			delete(q.lanes, l.key)
			continue
		}
		q.ready = append(q.ready, l)
	}
	signal(q.wake)
	signal(q.space)
}

// end makes take return nil once the queue is empty.
func (q *queue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ending = true
	signal(q.wake)
}

// clear removes and returns what waits or is delayed, but not what is being sent.
func (q *queue) clear() []item {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []item
	for _, b := range q.delayed {
		out = append(out, b.items...)
		for _, l := range b.lanes {
			out = append(out, l.waiting...)
			delete(q.lanes, l.key)
		}
	}
	for _, l := range q.ready[q.ready0:] {
		out = append(out, l.waiting...)
		delete(q.lanes, l.key)
	}
	for _, l := range q.lanes { // held by what is being sent
		out = append(out, l.waiting...)
		l.waiting = nil
	}
	q.delayed, q.ready, q.ready0 = nil, nil, 0
	q.size -= len(out)
	signal(q.wake)
	signal(q.space)
	return out
}

func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.size
}
