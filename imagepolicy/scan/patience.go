package scan

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gitopskit/gitopskit/internal/httpclient"
)

// patience waits when a registry says that it is busy, and asks again. What one
// request is told, all others to that host heed.
type patience struct {
	base    http.RoundTripper
	maxWait time.Duration
	log     *slog.Logger

	mu    sync.Mutex
	until map[string]time.Time // by host, when it may be asked again
}

// maxAttempts is how often one request is sent.
const maxAttempts = 5

// maxBody is the most that a manifest, a configuration, a token or a page of tags
// may have.
const maxBody = 64 << 20

// limitedError tells how long a registry wants to be left alone.
type limitedError struct {
	code  int
	after time.Duration
}

func (e *limitedError) Error() string {
	if e.after > 0 {
		return fmt.Sprintf("HTTP %d, again in %s", e.code, e.after)
	}
	return fmt.Sprintf("HTTP %d", e.code)
}

func (e *limitedError) Unwrap() error {
	if e.code == http.StatusTooManyRequests {
		return ErrRateLimited
	}
	return ErrUnreachable
}

func (p *patience) RoundTrip(req *http.Request) (*http.Response, error) {
	budget := budgetOf(req.Context(), p.maxWait)
	for attempt := 1; ; attempt++ {
		if err := p.rest(req, budget); err != nil {
			return nil, err
		}
		budget.requests.Add(1)
		res, err := p.base.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		if !busy(res.StatusCode) || req.Body != nil && req.Body != http.NoBody {
			res.Body = httpclient.Limit(res.Body, maxBody)
			return res, nil
		}
		after := retryAfter(res.Header, time.Now())
		_ = res.Body.Close()
		if attempt == maxAttempts {
			return nil, &limitedError{res.StatusCode, after}
		}
		wait := after
		if wait == 0 {
			wait = time.Duration((1 + rand.Float64()) * float64(time.Second) / 2 * float64(int(1)<<(attempt-1)))
		}
		if wait > budget.left() {
			p.hold(req.URL.Host, after)
			return nil, &limitedError{res.StatusCode, after}
		}
		p.log.Info("registry is busy", "host", req.URL.Host, "status", res.StatusCode, "wait", wait)
		p.hold(req.URL.Host, wait)
	}
}

func busy(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// hold keeps all requests from a host for a while.
func (p *patience) hold(host string, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := time.Now().Add(d); until.After(p.until[host]) {
		p.until[host] = until
	}
}

// rest waits until the host may be asked.
func (p *patience) rest(req *http.Request, b *budget) error {
	p.mu.Lock()
	d := time.Until(p.until[req.URL.Host])
	p.mu.Unlock()
	if d <= 0 {
		return nil
	}
	if d > b.left() {
		return &limitedError{http.StatusTooManyRequests, d}
	}
	b.waited.Add(int64(d))
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-req.Context().Done():
		return context.Cause(req.Context())
	}
}

// retryAfter reads the header as RFC 9110, section 10.2.3 has it: seconds, or a
// date. Zero means that it is not there.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

// budget is what one call may wait, and what it asked.
type budget struct {
	max      time.Duration
	waited   atomic.Int64
	requests atomic.Int64
}

func (b *budget) left() time.Duration { return b.max - time.Duration(b.waited.Load()) }

type budgetKey struct{}

// withBudget gives a call its budget.
func withBudget(ctx context.Context, maxWait time.Duration) (context.Context, *budget) {
	b := &budget{max: maxWait}
	return context.WithValue(ctx, budgetKey{}, b), b
}

func budgetOf(ctx context.Context, maxWait time.Duration) *budget {
	if b, ok := ctx.Value(budgetKey{}).(*budget); ok {
		return b
	}
	return &budget{max: maxWait}
}
