package kustomize

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/gitopskit/gitopskit/render/envsubst"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// countingFS counts how often its kustomization is opened and can hold it back.
type countingFS struct {
	fs.FS
	opened atomic.Int32
	hold   chan struct{}
	held   chan struct{}
}

func (c *countingFS) Open(name string) (fs.File, error) {
	if name == "kustomization.yaml" {
		if c.opened.Add(1); c.hold != nil {
			c.held <- struct{}{}
			<-c.hold
		}
	}
	return c.FS.Open(name)
}

func counted() *countingFS {
	return &countingFS{FS: memory(map[string]string{"kustomization.yaml": "resources: [a.yaml]", "a.yaml": configMap})}
}

// opens is how often one build opens its kustomization, through Stat and Open.
func opens(t *testing.T) int32 {
	t.Helper()
	c := counted()
	if _, err := Build(t.Context(), c, "", Options{}); err != nil {
		t.Fatal(err)
	}
	return c.opened.Load()
}

func TestBuilderKeepsByDigestFolderAndOptions(t *testing.T) {
	one := opens(t)
	for name, tc := range map[string]struct {
		digest string
		o      Options
		builds int32
	}{
		"the same":             {"sha256:a", Options{}, 0},
		"another digest":       {"sha256:b", Options{}, 1},
		"no digest":            {"", Options{}, 1},
		"another prefix":       {"sha256:a", Options{NamePrefix: "x-"}, 1},
		"another variable":     {"sha256:a", Options{Substitute: envsubst.Substitution{Variables: map[string]string{"a": "b"}}}, 1},
		"another label":        {"sha256:a", Options{CommonLabels: map[string]string{"a": "b"}}, 1},
		"an opaque decrypter":  {"sha256:a", Options{Decrypter: rot13{}}, 1},
		"a decrypter's prints": {"sha256:a", Options{Decrypter: printed{}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var b Builder
			c := counted()
			if _, err := b.Build(t.Context(), "sha256:a", c, "", Options{}); err != nil {
				t.Fatal(err)
			}
			got, err := b.Build(t.Context(), tc.digest, c, "", tc.o)
			if err != nil || len(got) != 1 {
				t.Fatalf("%d objects, %v", len(got), err)
			}
			if n := c.opened.Load(); (tc.builds > 0) != (n > one) {
				t.Errorf("opened %d times, one build opens %d times", n, one)
			}
		})
	}
}

func TestBuilderIsBounded(t *testing.T) {
	b := Builder{MaxEntries: 2}
	c := counted()
	for _, digest := range []string{"a", "b", "a", "c"} {
		if _, err := b.Build(t.Context(), digest, c, "", Options{}); err != nil {
			t.Fatal(err)
		}
	}
	before := c.opened.Load()
	if _, err := b.Build(t.Context(), "a", c, "", Options{}); err != nil || c.opened.Load() != before {
		t.Errorf("the entry used last but one was dropped: %v", err)
	}
	if _, err := b.Build(t.Context(), "b", c, "", Options{}); err != nil || c.opened.Load() == before {
		t.Errorf("the oldest entry was kept: %v", err)
	}
	small := Builder{MaxBytes: 10}
	if _, err := small.Build(t.Context(), "a", c, "", Options{}); err != nil || len(small.entries) != 0 || small.bytes != 0 {
		t.Errorf("%d entries of %d bytes, %v", len(small.entries), small.bytes, err)
	}
}

func TestBuilderSharesOneBuild(t *testing.T) {
	one := opens(t)
	var b Builder
	c := counted()
	c.hold, c.held = make(chan struct{}), make(chan struct{}, 100)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if got, err := b.Build(t.Context(), "a", c, "", Options{}); err != nil || len(got) != 1 {
				t.Errorf("%d objects, %v", len(got), err)
			}
		})
	}
	<-c.held
	close(c.hold)
	wg.Wait()
	if n := c.opened.Load(); n != one {
		t.Errorf("opened %d times, one build opens %d times", n, one)
	}
}

func TestBuilderOutlivesTheOneWhoGaveUp(t *testing.T) {
	var b Builder
	c := counted()
	c.hold, c.held = make(chan struct{}), make(chan struct{}, 100)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := b.Build(ctx, "a", c, "", Options{}); !errors.Is(err, context.Canceled) {
			t.Errorf("the first: %v", err)
		}
	})
	<-c.held
	wg.Go(func() {
		if got, err := b.Build(t.Context(), "a", c, "", Options{}); err != nil || len(got) != 1 {
			t.Errorf("the second: %d objects, %v", len(got), err)
		}
	})
	cancel()
	close(c.hold)
	wg.Wait()
}
