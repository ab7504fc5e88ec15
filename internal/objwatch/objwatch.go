// Package objwatch keeps a caller informed of all objects of one collection of
// a Kubernetes API: a paged list, then a watch, and the list again whenever
// the watch can't be continued.
//
// It differs from client-go's informers in that it keeps nothing itself, hands
// over pages as they come, and says whether what the caller was told is up to
// date at the moment.
package objwatch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
)

const (
	pageSize     = 500
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 15 * time.Second
	watchMinutes = 8
)

// A Collection can be listed and watched; the clients of client-go's dynamic
// and metadata packages are wrapped into one with a line for each function.
type Collection struct {
	List  func(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error)
	Watch func(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error)

	LabelSelector string
	FieldSelector string
}

// A Handler is told what happens; all its methods are called by the goroutine
// that called Run, one after the other.
type Handler interface {
	// BeginList starts a complete list; objects follow through Set.
	BeginList()
	// EndList ends a complete list: what was not Set since BeginList is gone.
	// From now on the handler's view is up to date as of the given resource version.
	EndList(resourceVersion string)
	// Set tells of an object that is there, new or changed or as before.
	Set(obj runtime.Object)
	// Delete tells of an object that has gone.
	Delete(obj runtime.Object)
	// Down tells that changes are not heard of at the moment, and why. It ends
	// with EndList, or with Up where the watch could be continued.
	Down(err error)
	// Up tells that a watch was continued where it had ended.
	Up()
}

// Run lists and watches c until ctx ends, and returns ctx's error. It also
// returns if the collection does not exist or may not be read; the error is
// then the API's.
func Run(ctx context.Context, c Collection, h Handler) error {
	r := runner{c: c, h: h, backoff: firstBackoff}
	for {
		err := r.listAndWatch(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		h.Down(err)
		if permanent(err) {
			return err
		}
		if err := r.pause(ctx, err); err != nil {
			return err
		}
	}
}

func permanent(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) ||
		meta.IsNoMatchError(err)
}

type runner struct {
	c       Collection
	h       Handler
	backoff time.Duration
}

func (r *runner) pause(ctx context.Context, err error) error {
	wait := r.backoff/2 + rand.N(r.backoff)
	if secs, ok := apierrors.SuggestsClientDelay(err); ok {
		wait = max(wait, time.Duration(secs)*time.Second)
	}
	r.backoff = min(r.backoff*2, maxBackoff)
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func (r *runner) listAndWatch(ctx context.Context) error {
	rv, err := r.list(ctx)
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	r.backoff = firstBackoff
	for {
		last, err := r.watch(ctx, rv)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if expired(err) || permanent(err) {
			return fmt.Errorf("watch: %w", err)
		}
		if last != rv {
			r.backoff = firstBackoff
			rv = last
		}
		if err != nil {
			r.h.Down(err)
			if err := r.pause(ctx, err); err != nil {
				return err
			}
		}
	}
}

func expired(err error) bool {
	return apierrors.IsResourceExpired(err) || apierrors.IsGone(err)
}

func (r *runner) list(ctx context.Context) (rv string, err error) {
	opts := metav1.ListOptions{Limit: pageSize, LabelSelector: r.c.LabelSelector, FieldSelector: r.c.FieldSelector}
	r.h.BeginList()
	for {
		page, err := r.c.List(ctx, opts)
		if err != nil {
			return "", err
		}
		lm, err := meta.ListAccessor(page)
		if err != nil {
			return "", err
		}
		if err := meta.EachListItem(page, func(o runtime.Object) error { r.h.Set(o); return nil }); err != nil {
			return "", err
		}
		if opts.Continue = lm.GetContinue(); opts.Continue == "" {
			r.h.EndList(lm.GetResourceVersion())
			return lm.GetResourceVersion(), nil
		}
	}
}

// watch returns the resource version it came to. An error that is nil means
// that the server ended the watch in the ordinary way.
func (r *runner) watch(ctx context.Context, rv string) (string, error) {
	seconds := int64(watchMinutes*60 + rand.IntN(watchMinutes*60))
	w, err := r.c.Watch(ctx, metav1.ListOptions{
		LabelSelector: r.c.LabelSelector, FieldSelector: r.c.FieldSelector,
		ResourceVersion: rv, AllowWatchBookmarks: true, TimeoutSeconds: &seconds,
	})
	if err != nil {
		return rv, err
	}
	defer w.Stop()
	r.h.Up()
	started := time.Now()
	events := 0
	for {
		select {
		case <-ctx.Done():
			return rv, ctx.Err()
		case ev, open := <-w.ResultChan():
			if !open {
				if events == 0 && time.Since(started) < time.Second {
					return rv, errShortWatch
				}
				return rv, nil
			}
			events++
			next, err := r.event(ev)
			if err != nil {
				return rv, err
			}
			rv = next
		}
	}
}

var errShortWatch = errors.New("the server ended the watch at once")

func (r *runner) event(ev watch.Event) (rv string, err error) {
	if ev.Type == watch.Error {
		err := apierrors.FromObject(ev.Object)
		var status *apierrors.StatusError
		if errors.As(err, &status) && status.ErrStatus.Code == http.StatusInternalServerError {
			err = fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err)
		}
		return "", err
	}
	m, err := meta.Accessor(ev.Object)
	if err != nil {
		return "", err
	}
	switch ev.Type {
	case watch.Added, watch.Modified:
		r.h.Set(ev.Object)
	case watch.Deleted:
		r.h.Delete(ev.Object)
	}
	return m.GetResourceVersion(), nil
}
