package e2e

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/manager"
	"github.com/gitopskit/gitopskit/internal/gitserver"
)

// TestSecondReconcileWritesNothingAndReadsNoObject runs the reconciler in this
// process, with a transport that writes down every request.
func TestSecondReconcileWritesNothingAndReadsNoObject(t *testing.T) {
	s := newStage(t)
	repo := gitserver.New(t, gitserver.Options{}).Repo("app")
	commit := repo.Commit(map[string]string{"deploy/settings.yaml": configMap, "deploy/web.yaml": webApp})
	ctrl.SetLogger(logr.Discard())
	recorded := &recorder{}
	cfg := rest.CopyConfig(s.cfg)
	cfg.Wrap(recorded.wrap)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- manager.Run(ctx, cfg, manager.Options{
			StoragePath: s.data, StorageAddr: "127.0.0.1:0", MetricsAddr: "0", HealthAddr: "0",
			Namespace: s.ns, Concurrent: 2, GracefulTimeout: 10 * time.Second,
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	s.source(repo, "./deploy")
	s.isReady(commit)
	s.available("web")

	// The first ones settle what the controllers have written meanwhile.
	s.eventually("a reconcile that costs nothing but its own status", func() bool {
		recorded.take()
		s.poke(gitRepos, "app")
		s.poke(kustomizations, "app")
		var costly []string
		for _, r := range recorded.take() {
			if !ownStatus(r) {
				costly = append(costly, r)
			}
		}
		if len(costly) > 0 {
			t.Logf("not yet: %s", strings.Join(costly, ", "))
		}
		return len(costly) == 0
	})
}

// ownStatus tells the request that writes down that the reconcile was asked
// for, by lastHandledReconcileAt.
func ownStatus(request string) bool {
	return strings.HasPrefix(request, "PATCH ") && strings.Contains(request, "toolkit.fluxcd.io") && strings.Contains(request, "/app/status")
}

// recorder writes down requests, but for watches and leases.
type recorder struct {
	mu   sync.Mutex
	seen []string
}

func (r *recorder) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		if req.URL.Query().Get("watch") == "" {
			r.mu.Lock()
			r.seen = append(r.seen, req.Method+" "+req.URL.Path)
			r.mu.Unlock()
		}
		return next.RoundTrip(req)
	})
}

func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.seen
	r.seen = nil
	return out
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
