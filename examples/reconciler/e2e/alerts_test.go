package e2e

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitopskit/gitopskit/internal/gitserver"
)

var (
	coreEvents = schema.GroupVersionResource{Version: "v1", Resource: "events"}
	providers  = schema.GroupVersionResource{Group: "notification.toolkit.fluxcd.io", Version: "v1beta3", Resource: "providers"}
)

// hook keeps what is posted to it.
type hook struct {
	URL   string
	mu    sync.Mutex
	posts []string
	down  bool
}

func newHook(t *testing.T) *hook {
	h := &hook{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.down {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		h.posts = append(h.posts, r.URL.Path+" "+string(body))
	}))
	t.Cleanup(srv.Close)
	h.URL = srv.URL
	return h
}

// got reports whether one post says all that it should.
func (h *hook) got(says ...string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.posts {
		all := true
		for _, s := range says {
			all = all && strings.Contains(p, s)
		}
		if all {
			return true
		}
	}
	return false
}

func (h *hook) setDown(down bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = down
}

// TestTutorialsAlerts applies the tutorial's Provider and Alert as they are.
func TestTutorialsAlerts(t *testing.T) {
	manifest, err := os.ReadFile(shared(t, "tutorial", "notifications.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	slack := newHook(t)
	repo := gitserver.New(t, gitserver.Options{}).Repo("app")
	first := repo.Commit(map[string]string{"deploy/settings.yaml": configMap})
	s := newStage(t)
	s.start()
	s.apply(strings.ReplaceAll(string(manifest), "\nmetadata:\n", "\nmetadata:\n  namespace: $NS\n"))
	s.eventually("the missing Secret is told of", func() bool { return s.told("Provider", "slack", s.ns+"/slack-webhook does not exist") })
	s.apply(secretManifest("slack-webhook", "address: "+slack.URL+"/services/T0/B0/x"))
	s.patch(providers, "slack", `{"metadata":{"annotations":{"reconcile.fluxcd.io/requestedAt":"now"}}}`)

	s.source(repo, "./deploy")
	s.isReady(first)
	s.eventually("the new artifact and its application are told of", func() bool {
		return slack.got(`/services/T0/B0/x {"channel":"alerts"`, "gitrepository/app."+s.ns, "stored artifact for revision 'main@sha1:"+first) &&
			slack.got("kustomization/app."+s.ns, `"color":"good"`, "main@sha1:"+first)
	})

	repo.Commit(map[string]string{"deploy/settings.yaml": "{"})
	s.poke(gitRepos, "app")
	s.eventually("the failure is told of", func() bool {
		return slack.got("kustomization/app."+s.ns, `"color":"danger"`, "settings.yaml")
	})

	// Nothing that was taken is lost when the process is killed.
	slack.setDown(true)
	third := repo.Commit(map[string]string{"deploy/settings.yaml": configMap})
	s.poke(gitRepos, "app")
	s.isReady(third)
	s.kill()
	slack.setDown(false)
	s.start()
	s.eventually("what was not delivered is delivered after the next start", func() bool {
		return slack.got("kustomization/app."+s.ns, `"color":"good"`, "main@sha1:"+third)
	})
}

// told reports whether an event of the cluster says something of an object.
func (s *stage) told(kind, name, says string) bool {
	s.t.Helper()
	list, err := s.client.Resource(coreEvents).Namespace(s.ns).List(s.t.Context(), metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	for i := range list.Items {
		about, _, _ := unstructured.NestedStringMap(list.Items[i].Object, "involvedObject")
		message, _, _ := unstructured.NestedString(list.Items[i].Object, "message")
		if about["kind"] == kind && about["name"] == name && strings.Contains(message, says) {
			return true
		}
	}
	return false
}
