package kustomize

import (
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Builder builds and keeps results. The zero value works; it is safe for use by
// several goroutines and must not be copied.
type Builder struct {
	// MaxEntries is how many results are kept, the least recently used going
	// first. Zero means 256.
	MaxEntries int
	// MaxBytes is how much JSON the results kept come to. Zero means 128 MiB.
	MaxBytes int64

	mu      sync.Mutex
	entries map[key]*list.Element
	recent  list.List // of *entry, the last used first
	bytes   int64
	flights map[key]*flight
}

type key [sha256.Size]byte

type entry struct {
	key     key
	objects []*unstructured.Unstructured
	bytes   int64
}

// flight is a build that others wait for.
type flight struct {
	done    chan struct{}
	objects []*unstructured.Unstructured
	err     error
}

// Fingerprinter is an optional ability of a Decrypter: a string that changes
// with its keys. Without it no result is kept where a Decrypter is given.
type Fingerprinter interface{ Fingerprint() string }

// Build is like the function Build and keeps the result under digest, dir and
// options: as long as they are the same, nothing is built. digest identifies the
// content of fsys, for instance an artifact's digest; where it is empty, where
// something remote was fetched, and on errors, nothing is kept. Calls with the
// same key at the same time share one build.
//
// The objects are shared: treat them as read-only, or make a DeepCopy.
func (b *Builder) Build(ctx context.Context, digest string, fsys fs.FS, dir string, o Options) ([]*unstructured.Unstructured, error) {
	k, ok := keyOf(digest, dir, o)
	if !ok {
		return Build(ctx, fsys, dir, o)
	}
	for {
		objects, f, leader := b.join(k)
		switch {
		case f == nil:
			return objects, nil
		case leader:
			return b.lead(ctx, k, f, fsys, dir, o)
		}
		select {
		case <-ctx.Done():
			return nil, &Error{Op: "build", Ref: dir, Err: ctx.Err()}
		case <-f.done:
		}
		if f.err == nil {
			return slices.Clone(f.objects), nil
		}
		if !errors.Is(f.err, context.Canceled) && !errors.Is(f.err, context.DeadlineExceeded) {
			return nil, f.err
		}
		// The one who built gave up; try again on our own time.
	}
}

// join returns a kept result, or the flight to wait for or to lead.
func (b *Builder) join(k key) (objects []*unstructured.Unstructured, f *flight, leader bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e, ok := b.entries[k]; ok {
		b.recent.MoveToFront(e)
		return slices.Clone(e.Value.(*entry).objects), nil, false
	}
	if f, ok := b.flights[k]; ok {
		return nil, f, false
	}
	if b.flights == nil {
		b.flights = map[key]*flight{}
	}
	f = &flight{done: make(chan struct{})}
	b.flights[k] = f
	return nil, f, true
}

func (b *Builder) lead(ctx context.Context, k key, f *flight, fsys fs.FS, dir string, o Options) ([]*unstructured.Unstructured, error) {
	var result *built
	f.err = errors.New("kustomize: the build ended without a result")
	defer func() {
		b.mu.Lock()
		delete(b.flights, k)
		if f.err == nil && !result.remote {
			b.keep(&entry{key: k, objects: result.objects, bytes: result.bytes})
		}
		b.mu.Unlock()
		close(f.done)
	}()
	result, err := build(ctx, fsys, dir, o)
	if f.err = asError(err, Error{Op: "build", Ref: dir}); f.err != nil {
		return nil, f.err
	}
	f.objects = result.objects
	return slices.Clone(f.objects), nil
}

// keep adds an entry and drops the oldest beyond the bounds.
func (b *Builder) keep(e *entry) {
	most, size := orDefault(b.MaxEntries, 256), orDefault(b.MaxBytes, 128<<20)
	if e.bytes > size {
		return
	}
	if b.entries == nil {
		b.entries = map[key]*list.Element{}
	}
	b.entries[e.key] = b.recent.PushFront(e)
	b.bytes += e.bytes
	for b.recent.Len() > most || b.bytes > size {
		last := b.recent.Back()
		old := b.recent.Remove(last).(*entry)
		delete(b.entries, old.key)
		b.bytes -= old.bytes
	}
}

// keyOf hashes all that a result depends on. ok is false where that is not
// known.
func keyOf(digest, dir string, o Options) (k key, ok bool) {
	if digest == "" {
		return k, false
	}
	fingerprint := ""
	if o.Decrypter != nil {
		f, ok := o.Decrypter.(Fingerprinter)
		if !ok {
			return k, false
		}
		fingerprint = f.Fingerprint()
	}
	hasDecrypter, hasRemote := o.Decrypter != nil, o.Remote != nil
	o.Decrypter, o.Remote, o.Logger = nil, nil, nil
	data, err := json.Marshal([]any{digest, dir, o, fingerprint, hasDecrypter, hasRemote})
	if err != nil {
		return k, false
	}
	return sha256.Sum256(data), true
}
