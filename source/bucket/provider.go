package bucket

import (
	"context"
	"io"
	"iter"
)

// Object is an entry of a bucket's listing.
type Object struct {
	// Key is the object's name.
	Key string
	// ETag changes with the content.
	ETag string
	// Size is the length in bytes.
	Size int64
}

// Provider reads one bucket with one set of credentials. It is safe for
// concurrent use. Its errors wrap the sentinels of package source;
// source.ErrNotFound for an object or bucket that does not exist.
type Provider interface {
	// Name identifies bucket and credentials without showing these: what was
	// fetched under one name is used under that name only. Errors show it up
	// to the first "#"; what follows tells credentials apart.
	Name() string
	// List lists the objects whose key begins with prefix, in any order.
	List(ctx context.Context, prefix string) iter.Seq2[Object, error]
	// Get opens an object and describes what was opened.
	Get(ctx context.Context, key string) (io.ReadCloser, Object, error)
}
