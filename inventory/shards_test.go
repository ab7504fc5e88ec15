package inventory_test

import (
	"net/http"
	"sync"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/gitopskit/gitopskit/internal/testcluster"
	"github.com/gitopskit/gitopskit/inventory"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Two write a large inventory. The first one has written its head and is about to
// remove the shards of the one before; the second one has loaded that head and
// written its shards, and not yet its head.
func TestSweepLeavesTheShardsOfASaveUnderWay(t *testing.T) {
	if testing.Short() {
		t.Skip("saves inventories of 50,000 entries")
	}
	c := testcluster.Shared(t)
	ns := c.Namespace(t)
	open := func(wrap func(http.RoundTripper) http.RoundTripper) *inventory.Object {
		cfg := rest.CopyConfig(c.RESTConfig())
		if wrap != nil {
			cfg.Wrap(wrap)
		}
		o, err := inventory.NewConfigMap(cfg, ns, "inv")
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	if err := open(nil).Save(t.Context(), large(50000)); err != nil {
		t.Fatal(err)
	}

	sweeping, written, swept := make(chan struct{}), make(chan struct{}), make(chan struct{})
	first := open(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			if req.Method == http.MethodGet && req.URL.Query().Get("labelSelector") != "" {
				close(sweeping)
				<-written
			}
			return next.RoundTrip(req)
		})
	})
	second := open(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			if req.Method == http.MethodPut {
				close(written)
				<-swept
			}
			return next.RoundTrip(req)
		})
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(swept)
		if _, err := first.Load(t.Context()); err != nil {
			t.Error(err)
		}
		if err := first.Save(t.Context(), large(50001)); err != nil {
			t.Error(err)
		}
	})
	wg.Go(func() {
		<-sweeping
		if inv, err := second.Load(t.Context()); err != nil || inv.Len() != 50001 {
			t.Error(err)
		}
		if err := second.Save(t.Context(), large(50002)); err != nil {
			t.Error(err)
		}
	})
	wg.Wait()
	if inv, err := open(nil).Load(t.Context()); err != nil || inv.Len() != 50002 {
		t.Fatalf("%d entries, %v", inv.Len(), err)
	}
}
