package ssa_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/gitopskit/gitopskit/internal/testcluster"
	"github.com/gitopskit/gitopskit/ssa"
)

// cluster is a namespace of the shared cluster, an Applier for it that counts
// its requests, and a client to look behind its back.
type cluster struct {
	t       testing.TB
	cfg     *rest.Config
	ns      string
	client  dynamic.Interface
	applier *ssa.Applier
	*requests
}

func newCluster(t testing.TB, opts ssa.Options) *cluster {
	t.Helper()
	tc := testcluster.Shared(t)
	cfg := tc.RESTConfig()
	client, err := dynamic.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	counted := &requests{}
	counting := rest.CopyConfig(cfg)
	counting.Wrap(counted.wrap)
	applier, err := ssa.New(counting, opts)
	if err != nil {
		t.Fatal(err)
	}
	return &cluster{t: t, cfg: cfg, ns: tc.Namespace(t), client: client, applier: applier, requests: counted}
}

// objects reads manifests; NS in them stands for the test's namespace.
func (c *cluster) objects(manifests ...string) []*unstructured.Unstructured {
	c.t.Helper()
	var out []*unstructured.Unstructured
	for _, text := range manifests {
		for doc := range strings.SplitSeq(text, "\n---\n") {
			if strings.TrimSpace(doc) == "" {
				continue
			}
			u := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(strings.ReplaceAll(doc, "NS", c.ns)), &u.Object); err != nil {
				c.t.Fatalf("%v in\n%s", err, doc)
			}
			normalizeNumbers(u.Object)
			out = append(out, u)
		}
	}
	return out
}

// normalizeNumbers makes integers int64, as unstructured objects have them.
func normalizeNumbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = normalizeNumbers(v[k])
		}
	case []any:
		for i := range v {
			v[i] = normalizeNumbers(v[i])
		}
	case float64:
		if v == float64(int64(v)) {
			return int64(v)
		}
	}
	return v
}

func (c *cluster) apply(opts ssa.ApplyOptions, manifests ...string) (*ssa.Result, error) {
	c.t.Helper()
	return c.applier.Apply(c.t.Context(), c.objects(manifests...), opts)
}

func (c *cluster) mustApply(opts ssa.ApplyOptions, manifests ...string) *ssa.Result {
	c.t.Helper()
	res, err := c.apply(opts, manifests...)
	if err != nil {
		c.t.Fatalf("apply: %v", err)
	}
	return res
}

var configMaps = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}

// get reads an object of the test's namespace; nil if there is none.
func (c *cluster) get(gvr schema.GroupVersionResource, name string) *unstructured.Unstructured {
	c.t.Helper()
	u, err := c.client.Resource(gvr).Namespace(c.ns).Get(c.t.Context(), name, getOptions)
	if isNotFound(err) {
		return nil
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return u
}

func (c *cluster) field(gvr schema.GroupVersionResource, name string, path ...string) string {
	c.t.Helper()
	u := c.get(gvr, name)
	if u == nil {
		return "(no object)"
	}
	s, ok, _ := unstructured.NestedString(u.Object, path...)
	if !ok {
		return "(none)"
	}
	return s
}

// watching runs Watch until the test ends, and returns the drift it reports.
func (c *cluster) watching() <-chan ssa.Drift {
	c.t.Helper()
	drifts := make(chan ssa.Drift, 1000)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.applier.Watch(ctx, ssa.WatchOptions{OnDrift: func(d ssa.Drift) { drifts <- d }})
	}()
	c.t.Cleanup(func() { cancel(); <-done })
	return drifts
}

// eventually waits until f reports true.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-deadline:
			t.Fatalf("not within a minute: %s", what)
		case <-tick.C:
		}
	}
}

// requests counts what goes over the wire.
type requests struct {
	mu      sync.Mutex
	seen    []string
	watches int
}

func (r *requests) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		r.mu.Lock()
		if req.URL.Query().Get("watch") == "" {
			r.seen = append(r.seen, req.Method+" "+req.URL.RequestURI())
		} else {
			r.watches++
		}
		r.mu.Unlock()
		return next.RoundTrip(req)
	})
}

// take returns the requests since the last call, watches left out.
func (r *requests) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.seen
	r.seen = nil
	return out
}

// begun returns how many watches were begun.
func (r *requests) begun() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.watches
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
