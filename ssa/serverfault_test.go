package ssa_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/gitopskit/gitopskit/internal/testcluster"
	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
)

// A gate lets watches through, or ends them and holds new ones back. It counts
// the watches that were refused because their history is gone.
type gate struct {
	mu      sync.Mutex
	open    chan struct{} // closed while watches are let through
	bodies  map[*gatedBody]bool
	expired atomic.Int64
}

func newGate() *gate {
	g := &gate{open: make(chan struct{}), bodies: map[*gatedBody]bool{}}
	close(g.open)
	return g
}

func (g *gate) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		if req.URL.Query().Get("watch") == "" {
			return next.RoundTrip(req)
		}
		g.mu.Lock()
		open := g.open
		g.mu.Unlock()
		select {
		case <-open:
		case <-req.Context().Done():
			return nil, context.Cause(req.Context())
		}
		resp, err := next.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode == http.StatusGone {
			g.expired.Add(1)
		}
		body := &gatedBody{ReadCloser: resp.Body, gate: g}
		g.mu.Lock()
		g.bodies[body] = true
		g.mu.Unlock()
		resp.Body = body
		return resp, nil
	})
}

// close ends all watches, and holds back those that begin until the function
// that it returns is called.
func (g *gate) close() (reopen func()) {
	g.mu.Lock()
	g.open = make(chan struct{})
	open := g.open
	bodies := g.bodies
	g.bodies = map[*gatedBody]bool{}
	g.mu.Unlock()
	for b := range bodies {
		_ = b.Close()
	}
	return sync.OnceFunc(func() { close(open) })
}

type gatedBody struct {
	io.ReadCloser
	gate *gate
}

func (b *gatedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if bytes.Contains(p[:n], []byte("too old resource version")) || bytes.Contains(p[:n], []byte("has been compacted")) {
		b.gate.expired.Add(1)
	}
	return n, err
}

// ownServer is a cluster whose server the test may kill, with an Applier that
// watches it.
type ownServer struct {
	tc     *testcluster.Cluster
	ns     string
	client dynamic.Interface
	a      *ssa.Applier
	gate   *gate
	mu     sync.Mutex
	drifts map[string]ssa.DriftChange // by name, since the last clear
}

func newOwnServer(t *testing.T) *ownServer {
	t.Helper()
	s := &ownServer{tc: testcluster.New(t, "--ephemeral"), gate: newGate(), drifts: map[string]ssa.DriftChange{}}
	var err error
	if s.client, err = dynamic.NewForConfig(s.tc.RESTConfig()); err != nil {
		t.Fatal(err)
	}
	s.ns = s.tc.Namespace(t)
	cfg := s.tc.RESTConfig()
	cfg.Wrap(s.gate.wrap)
	if s.a, err = ssa.New(rest.CopyConfig(cfg), ssa.Options{Concurrency: 2}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		_ = s.a.Watch(ctx, ssa.WatchOptions{OnDrift: s.saw})
	}()
	t.Cleanup(func() { cancel(); <-watching })
	return s
}

func (s *ownServer) saw(d ssa.Drift) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drifts[d.Ref.Name] = d.Change
}

func (s *ownServer) drift(name string) ssa.DriftChange {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.drifts[name]
}

func (s *ownServer) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.drifts)
}

func (s *ownServer) edit(t *testing.T, name string) {
	t.Helper()
	patch := []byte(`{"data":{"version":"drifted"}}`)
	if _, err := s.client.Resource(configMaps).Namespace(s.ns).Patch(t.Context(), name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
}

// TestServerFaults does one thing after the other to one server.
func TestServerFaults(t *testing.T) {
	t.Parallel()
	s := newOwnServer(t)
	t.Run("the API server is killed in the middle of an apply", func(t *testing.T) { killedInTheMiddle(t, s) })
	t.Run("history is compacted under a watch", func(t *testing.T) { compactedUnderAWatch(t, s) })
}

func killedInTheMiddle(t *testing.T, s *ownServer) {
	store := &inventory.Memory{}
	killed := make(chan struct{})
	begun := make(chan struct{})
	var told atomic.Int64
	go func() {
		defer close(killed)
		<-begun
		s.tc.KillAPIServer(t)
	}()
	opts := ssa.ApplyOptions{Set: "f", Inventory: store, OwnerLabels: map[string]string{"owner": "f"}, SkipValidation: true, OnEvent: func(ssa.ObjectResult) {
		if told.Add(1) == 40 {
			close(begun)
		}
	}}
	if _, err := s.a.Apply(t.Context(), faultSet(s.ns, 0, 300, "1"), opts); err != nil {
		t.Logf("the first attempt: %v", firstLine(err))
	}
	<-killed
	converge(t, s.a, s.client, s.ns, store, faultSet(s.ns, 100, 200, "2"))

	// The watch has come back too: a change is heard of.
	s.clear()
	s.edit(t, "f150")
	eventually(t, "the drift is reported", func() bool { return s.drift("f150") == ssa.Modified })
}

// compactedUnderAWatch has changes made while nobody listens, and then drops the
// history that would tell of them.
func compactedUnderAWatch(t *testing.T, s *ownServer) {
	store := &inventory.Memory{}
	set := faultSet(s.ns, 1000, 10, "1")
	opts := ssa.ApplyOptions{Set: "c", Inventory: store, OwnerLabels: map[string]string{"owner": "f"}}
	if _, err := s.a.Apply(t.Context(), set, opts); err != nil {
		t.Fatal(err)
	}
	s.clear()
	s.edit(t, "f1000") // the watch is up
	eventually(t, "the first drift is reported", func() bool { return s.drift("f1000") == ssa.Modified })
	if _, err := s.a.Apply(t.Context(), set, opts); err != nil {
		t.Fatal(err)
	}
	s.clear()

	reopen := s.gate.close()
	defer reopen()
	s.edit(t, "f1001")
	if err := s.client.Resource(configMaps).Namespace(s.ns).Delete(t.Context(), "f1002", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	s.tc.Compact(t)
	s.tc.KillAPIServer(t)
	if s.drift("f1001") != "" || s.drift("f1002") != "" {
		t.Fatal("heard of changes through a closed gate")
	}
	reopen()
	eventually(t, "what changed meanwhile is reported", func() bool {
		return s.drift("f1001") == ssa.Modified && s.drift("f1002") == ssa.Deleted
	})
	if s.gate.expired.Load() == 0 {
		t.Error("no watch was refused: the history was still there")
	}
	s.edit(t, "f1003")
	eventually(t, "what changes afterwards is reported", func() bool { return s.drift("f1003") == ssa.Modified })
	s.mu.Lock()
	for name := range s.drifts {
		switch name {
		case "f1001", "f1002", "f1003":
		default:
			t.Errorf("%s is said to have drifted", name)
		}
	}
	s.mu.Unlock()

	res, err := s.a.Apply(t.Context(), set, opts)
	if err != nil || res.Count(ssa.Update) != 2 || res.Count(ssa.Create) != 1 || res.Count(ssa.Unchanged) != 7 {
		t.Errorf("%s, %v", res.Summary(), err)
	}
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
