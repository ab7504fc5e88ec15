package receiver

import (
	"sync"
	"time"
)

// maxSeen is how many requests a receiver remembers.
const maxSeen = 4096

// seen remembers requests in two generations, so that its memory is bounded.
type seen struct {
	mu       sync.Mutex
	now, old map[string]time.Time
}

// begin notes a request and tells whether it is new.
func (s *seen) begin(key string, at time.Time, window time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range []map[string]time.Time{s.now, s.old} {
		if t, ok := m[key]; ok && at.Sub(t) < window {
			return false
		}
	}
	if s.now == nil || len(s.now) >= maxSeen/2 {
		s.old, s.now = s.now, map[string]time.Time{}
	}
	s.now[key] = at
	return true
}

func (s *seen) forget(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.now, key)
	delete(s.old, key)
}
