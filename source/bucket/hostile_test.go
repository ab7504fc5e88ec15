package bucket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/bucket"
)

// hostile is a bucket whose answers a test bends.
type hostile struct {
	fixed
	list func(ctx context.Context, yield func(bucket.Object, error) bool)
	get  func(ctx context.Context, key string) (io.ReadCloser, bucket.Object, error)
}

func (h *hostile) List(ctx context.Context, prefix string) iter.Seq2[bucket.Object, error] {
	if h.list == nil {
		return h.fixed.List(ctx, prefix)
	}
	return func(yield func(bucket.Object, error) bool) { h.list(ctx, yield) }
}

func (h *hostile) Get(ctx context.Context, key string) (io.ReadCloser, bucket.Object, error) {
	if h.get == nil || key == ".sourceignore" {
		return h.fixed.Get(ctx, key)
	}
	return h.get(ctx, key)
}

// endless gives spaces for ever.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte(" "), len(p))), nil }

func TestHostileBuckets(t *testing.T) {
	t.Parallel()
	silent := func(ctx context.Context, _ string) (io.ReadCloser, bucket.Object, error) {
		<-ctx.Done()
		return nil, bucket.Object{}, context.Cause(ctx)
	}
	broken := errors.New("broken")
	for name, x := range map[string]struct {
		bend    func(*hostile)
		timeout time.Duration
		is      error
	}{
		"a listing without end": {func(h *hostile) {
			h.list = func(_ context.Context, yield func(bucket.Object, error) bool) {
				for i := 0; yield(bucket.Object{Key: fmt.Sprint("k", i), ETag: "e"}, nil); i++ {
				}
			}
		}, 0, source.ErrTooLarge},
		"a listing that breaks off": {func(h *hostile) {
			h.list = func(_ context.Context, yield func(bucket.Object, error) bool) {
				_ = yield(bucket.Object{Key: "a", ETag: "e"}, nil) && yield(bucket.Object{}, broken)
			}
		}, 0, broken},
		"an object without end": {func(h *hostile) {
			h.get = func(context.Context, string) (io.ReadCloser, bucket.Object, error) {
				return io.NopCloser(endless{}), bucket.Object{ETag: "new", Size: 1}, nil
			}
		}, 0, source.ErrTooLarge},
		"an object of another size": {func(h *hostile) {
			h.get = func(context.Context, string) (io.ReadCloser, bucket.Object, error) {
				return io.NopCloser(strings.NewReader("long")), bucket.Object{ETag: "new", Size: 1}, nil
			}
		}, 0, source.ErrCorrupt},
		"an object that breaks off": {func(h *hostile) {
			h.get = func(context.Context, string) (io.ReadCloser, bucket.Object, error) {
				return io.NopCloser(io.MultiReader(strings.NewReader("a"), failing{broken})), bucket.Object{ETag: "new", Size: 2}, nil
			}
		}, 0, broken},
		"no answer": {func(h *hostile) { h.get = silent }, 200 * time.Millisecond, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &hostile{fixed: fixed{"a": "1"}}
			dir := t.TempDir()
			before := take(t, open(t, bucket.Options{Provider: h, Dir: dir}))
			h.fixed = fixed{"a": "2"}
			x.bend(h)
			s := open(t, bucket.Options{Provider: h, Dir: dir, MaxObjects: 1000, MaxBytes: 1 << 20, Timeout: x.timeout})
			rev, err := s.Resolve(t.Context())
			if err == nil {
				_, err = s.Fetch(t.Context(), rev)
			}
			wantError(t, err, x.is)
			if diff := cmp.Diff(map[string]string{"a": "1"}, files(t, before)); diff != "" {
				t.Error("what was there before:", diff)
			}
		})
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
