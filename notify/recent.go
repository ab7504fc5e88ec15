package notify

import (
	"sync"
	"time"
)

// recent remembers keys for about a window, in two generations, so that
// forgetting costs nothing and memory is bounded: a generation also ends when it
// is full, in which case the oldest keys are forgotten early.
type recent[V any] struct {
	mu       sync.Mutex
	window   time.Duration // 0: for ever, while there is room
	limit    int           // keys in a generation
	started  time.Time
	now, old map[string]stamped[V]
}

type stamped[V any] struct {
	at    time.Time
	value V
}

func newRecent[V any](window time.Duration, limit int) *recent[V] {
	return &recent[V]{window: window, limit: limit, now: map[string]stamped[V]{}}
}

func (r *recent[V]) get(key string, at time.Time) (V, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.find(key, at)
}

func (r *recent[V]) find(key string, at time.Time) (V, bool) {
	s, ok := r.now[key]
	if !ok {
		s, ok = r.old[key]
	}
	if ok && r.window > 0 && at.Sub(s.at) >= r.window {
		ok = false
	}
	if !ok {
		var zero V
		return zero, false
	}
	return s.value, true
}

// add remembers a key unless it is known, and tells whether it was not.
func (r *recent[V]) add(key string, v V, at time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.find(key, at); known {
		return false
	}
	if len(r.now) >= r.limit || r.window > 0 && at.Sub(r.started) >= r.window {
		r.old, r.now, r.started = r.now, make(map[string]stamped[V]), at
	}
	r.now[key] = stamped[V]{at, v}
	return true
}

func (r *recent[V]) remove(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.now, key)
	delete(r.old, key)
}

// values returns all that is remembered, the older generation first.
func (r *recent[V]) values() []V {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]V, 0, len(r.old)+len(r.now))
	for _, m := range [...]map[string]stamped[V]{r.old, r.now} {
		for _, s := range m {
			out = append(out, s.value)
		}
	}
	return out
}

func (r *recent[V]) size() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.old) + len(r.now)
}
