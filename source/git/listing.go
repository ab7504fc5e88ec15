package git

import (
	"context"
	"errors"
	"sort"
	"strings"
	"sync"
	"time"
)

// ref is one reference of a server.
type ref struct {
	id     oid
	peeled oid // the commit that an annotated tag points to, or ""
}

// commit is the reference's commit.
func (r ref) commit() oid {
	if r.peeled != "" {
		return r.peeled
	}
	return r.id
}

// listing is what a server has at one time.
type listing struct {
	begun time.Time
	refs  map[string]ref
}

func (l *listing) names(prefix string) []string {
	var out []string
	for name := range l.refs {
		if short, ok := strings.CutPrefix(name, prefix); ok {
			out = append(out, short)
		}
	}
	sort.Strings(out)
	return out
}

// tipOf returns a reference whose object or commit is id, the one named first
// if it is.
func (l *listing) tipOf(id oid, prefer string) (ref, bool) {
	if r, ok := l.refs[prefer]; ok && (r.id == id || r.commit() == id) {
		return r, true
	}
	for _, r := range l.refs {
		if r.id == id || r.commit() == id {
			return r, true
		}
	}
	return ref{}, false
}

// lister shares listings between callers. A caller gets one that began no
// earlier than it allows; callers that come while one is under way wait, and
// share the next.
type lister struct {
	list func(context.Context) (*listing, error)

	mu   sync.Mutex
	cur  *flight
	last *listing
}

type flight struct {
	begun time.Time
	done  chan struct{}
	err   error
}

func (l *lister) get(ctx context.Context, maxAge time.Duration) (*listing, error) {
	oldest := time.Now().Add(-maxAge)
	for {
		l.mu.Lock()
		if l.last != nil && !l.last.begun.Before(oldest) {
			defer l.mu.Unlock()
			return l.last, nil
		}
		f := l.cur
		if f == nil {
			f = &flight{begun: time.Now(), done: make(chan struct{})}
			l.cur = f
			l.mu.Unlock()
			return l.lead(ctx, f)
		}
		l.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-f.done:
		}
		if f.err != nil && !f.begun.Before(oldest) && !isContextError(f.err) {
			return nil, f.err
		}
	}
}

// lead makes the listing that others wait for.
func (l *lister) lead(ctx context.Context, f *flight) (got *listing, err error) {
	err = errors.New("listing was abandoned") // seen by others if list panics
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		f.err = err
		if err == nil {
			got.begun = f.begun
			l.last = got
		}
		l.cur = nil
		close(f.done)
	}()
	got, err = l.list(ctx)
	return got, err
}

// peek returns the latest listing, or nil.
func (l *lister) peek() *listing {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

func isContextError(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
