package bucket

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/archive"
)

// Options describes a bucket.
type Options struct {
	// Provider reads the bucket. Required.
	Provider Provider
	// Prefix selects the objects whose key begins with it; empty means all.
	// The files keep their whole key as name.
	Prefix string
	// Dir is the folder that keeps what was fetched; it may be shared by
	// buckets and processes. Required.
	Dir string
	// Ignore holds patterns in the syntax of .gitignore for objects that are
	// left out; they win over .sourceignore in the bucket's root.
	Ignore string
	// Concurrency is how many objects are downloaded at once. Zero means 32.
	Concurrency int
	// MaxObjects is the most objects that may be selected. Zero means
	// 100,000.
	MaxObjects int
	// MaxBytes is the most that all of them together may have. Zero means
	// 1 GiB.
	MaxBytes int64
	// Timeout bounds each Resolve and each Fetch. Zero means 60 s, negative
	// none.
	Timeout time.Duration
}

const (
	defaultConcurrency = 32
	defaultMaxObjects  = 100_000
	defaultMaxBytes    = 1 << 30
	defaultTimeout     = 60 * time.Second
)

// Source is a bucket. It is safe for concurrent use.
type Source struct {
	opts  Options
	blobs *blobs

	mu   sync.Mutex
	last index // that of the latest Resolve
}

var _ source.Source = (*Source)(nil)

// index holds the objects that are selected, by key.
type index map[string]Object

func (x index) revision() source.Revision {
	keys := make([]string, 0, len(x))
	for k := range x {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	h := sha256.New()
	for _, k := range keys {
		_, _ = fmt.Fprintf(h, "%s %s\n", k, x[k].ETag)
	}
	return source.Revision("sha256:" + hex.EncodeToString(h.Sum(nil)))
}

// New checks the options and returns the source. It makes no request.
func New(opts Options) (*Source, error) {
	missing := ""
	switch {
	case opts.Provider == nil:
		missing = "set Options.Provider"
	case opts.Dir == "":
		missing = "set Options.Dir to a folder that keeps what was fetched"
	}
	if missing != "" {
		return nil, &source.Error{Op: "open bucket", Err: fmt.Errorf("%w: %s", source.ErrInvalid, missing)}
	}
	if opts.Concurrency <= 0 {
		opts.Concurrency = defaultConcurrency
	}
	if opts.MaxObjects == 0 {
		opts.MaxObjects = defaultMaxObjects
	}
	if opts.MaxBytes == 0 {
		opts.MaxBytes = defaultMaxBytes
	}
	if opts.Timeout == 0 {
		opts.Timeout = defaultTimeout
	}
	b, err := openBlobs(opts.Dir, opts.Provider.Name())
	if err != nil {
		return nil, &source.Error{Op: "open bucket", Ref: opts.Dir, Err: err}
	}
	return &Source{opts: opts, blobs: b}, nil
}

func (s *Source) fail(op string, err error) error {
	shown, _, _ := strings.Cut(s.opts.Provider.Name(), "#")
	return &source.Error{Op: op, Ref: "bucket " + shown, Err: err}
}

func (s *Source) timeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.opts.Timeout < 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, s.opts.Timeout, fmt.Errorf("%w: no result within %s; raise Options.Timeout", context.DeadlineExceeded, s.opts.Timeout))
}

// Resolve implements source.Source: it lists the bucket.
func (s *Source) Resolve(ctx context.Context) (source.Revision, error) {
	ctx, cancel := s.timeout(ctx)
	defer cancel()
	x, err := s.list(ctx)
	if err != nil {
		return "", s.fail("resolve", err)
	}
	s.mu.Lock()
	s.last = x
	s.mu.Unlock()
	return x.revision(), nil
}

// list returns the objects that are selected.
func (s *Source) list(ctx context.Context) (index, error) {
	ignore, err := s.ignore(ctx)
	if err != nil {
		return nil, err
	}
	x := index{}
	total := int64(0)
	for o, err := range s.opts.Provider.List(ctx, s.opts.Prefix) {
		if err != nil {
			return nil, err
		}
		if strings.HasSuffix(o.Key, "/") || ignore.Match(strings.TrimPrefix(path.Clean("/"+o.Key), "/"), false) {
			continue
		}
		x[o.Key] = o
		total += o.Size
		if len(x) > s.opts.MaxObjects {
			return nil, fmt.Errorf("%w: more than %d objects; set Options.MaxObjects, or select fewer with Prefix or Ignore", source.ErrTooLarge, s.opts.MaxObjects)
		}
		if total > s.opts.MaxBytes {
			return nil, fmt.Errorf("%w: the objects have more than %d bytes; set Options.MaxBytes, or select fewer with Prefix or Ignore", source.ErrTooLarge, s.opts.MaxBytes)
		}
	}
	return x, nil
}

const maxIgnoreFile = 1 << 20

// ignore reads .sourceignore in the bucket's root, if there is one.
func (s *Source) ignore(ctx context.Context) (*archive.Ignore, error) {
	g := archive.NewIgnore(archive.IgnoreOptions{Patterns: s.opts.Ignore, NoDefaults: true})
	r, _, err := s.opts.Provider.Get(ctx, archive.IgnoreFile)
	if errors.Is(err, source.ErrNotFound) {
		return g, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", archive.IgnoreFile, err)
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxIgnoreFile+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", archive.IgnoreFile, err)
	}
	if len(data) > maxIgnoreFile {
		return nil, fmt.Errorf("%w: %s has more than %d bytes", source.ErrTooLarge, archive.IgnoreFile, maxIgnoreFile)
	}
	g.AddFile(".", data)
	return g, nil
}

// Fetch implements source.Source: it downloads the objects that changed. If the
// bucket changed since it was resolved, the artifact's revision is that of what
// was fetched.
func (s *Source) Fetch(ctx context.Context, revision source.Revision) (*source.Artifact, error) {
	ctx, cancel := s.timeout(ctx)
	defer cancel()
	s.mu.Lock()
	x := s.last
	s.mu.Unlock()
	if x == nil || x.revision() != revision {
		var err error
		if x, err = s.list(ctx); err != nil {
			return nil, s.fail("fetch", err)
		}
	}
	got, err := s.download(ctx, x)
	if err != nil {
		return nil, s.fail("fetch", err)
	}
	a, err := s.assemble(got)
	if err != nil {
		return nil, s.fail("fetch", err)
	}
	return a, nil
}

// kept is an object whose content is in the cache.
type kept struct {
	Object
	digest string
}

// download brings all objects of the index that are not in the cache.
func (s *Source) download(ctx context.Context, x index) (map[string]kept, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	got := make(map[string]kept, len(x))
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, s.opts.Concurrency)
	for _, o := range x {
		if digest, ok := s.blobs.find(o); ok {
			mu.Lock()
			got[o.Key] = kept{o, digest}
			mu.Unlock()
			continue
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-slots }()
			k, err := s.one(ctx, o.Key)
			if errors.Is(err, source.ErrNotFound) {
				return // vanished meanwhile
			}
			if err != nil {
				cancel(fmt.Errorf("%q: %w", o.Key, err))
				return
			}
			mu.Lock()
			got[o.Key] = k
			mu.Unlock()
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return got, nil
}

// one downloads an object.
func (s *Source) one(ctx context.Context, key string) (kept, error) {
	r, o, err := s.opts.Provider.Get(ctx, key)
	if err != nil {
		return kept{}, err
	}
	defer r.Close()
	digest, size, err := s.blobs.put(r, s.opts.MaxBytes)
	if err != nil {
		return kept{}, err
	}
	if size != o.Size {
		return kept{}, fmt.Errorf("%w: it has %d bytes, not the %d announced", source.ErrCorrupt, size, o.Size)
	}
	o.Key = key
	return kept{o, digest}, s.blobs.note(o, digest)
}

func (s *Source) assemble(got map[string]kept) (*source.Artifact, error) {
	x := make(index, len(got))
	entries := make([]archive.Entry, 0, len(got))
	for key, k := range got {
		x[key] = k.Object
		name := strings.TrimPrefix(path.Clean("/"+key), "/")
		entries = append(entries, archive.Entry{Path: name, Mode: 0o644, Size: k.Size, ID: k.digest})
	}
	return source.NewArtifact(source.Contents{Revision: x.revision(), Entries: entries, Open: s.blobs.open})
}
