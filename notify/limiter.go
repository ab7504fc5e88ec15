package notify

import (
	"context"
	"sync"
	"time"
)

// Rate is how often a destination may be written to. The zero value sets no
// limit.
type Rate struct {
	// Every is the mean time between two messages.
	Every time.Duration
	// Burst is how many may go at once after a quiet time; 1 where zero.
	Burst int
}

// limiter is a token bucket, kept as the time at which it is empty again.
type limiter struct {
	mu   sync.Mutex
	rate Rate
	next time.Time
}

// reserve takes one token and returns how long to wait before using it.
func (l *limiter) reserve(now time.Time) time.Duration {
	if l.rate.Every <= 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if full := now.Add(-l.rate.Every * time.Duration(max(l.rate.Burst, 1)-1)); l.next.Before(full) {
		l.next = full
	}
	wait := l.next.Sub(now)
	l.next = l.next.Add(l.rate.Every)
	return max(wait, 0)
}

func (l *limiter) wait(ctx context.Context) error {
	return sleepFor(ctx, l.reserve(time.Now()))
}

func sleepFor(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
