package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitopskit/gitopskit/internal/gitserver"
)

func TestMetricsOfFluxsDashboards(t *testing.T) {
	repo := gitserver.New(t, gitserver.Options{}).Repo("app")
	first := repo.Commit(map[string]string{"deploy/settings.yaml": configMap})
	s := newStage(t)
	addr := freeAddr(t)
	s.start("--metrics-addr=" + addr)
	s.source(repo, "./deploy")
	s.isReady(first)
	s.patch(gitRepos, "app", `{"spec":{"suspend":true}}`)
	who := fmt.Sprintf(`name="app",namespace=%q`, s.ns)
	s.showsMetrics(addr, true,
		`gotk_reconcile_condition{kind="Kustomization",`+who+`,status="True",type="Ready"} 1`,
		`gotk_reconcile_condition{kind="Kustomization",`+who+`,status="False",type="Ready"} 0`,
		`gotk_suspend_status{kind="GitRepository",`+who+`} 1`,
		`gotk_suspend_status{kind="Kustomization",`+who+`} 0`,
		`gotk_reconcile_duration_seconds_count{kind="Kustomization",`+who+`}`,
		`controller_runtime_reconcile_total{controller="gitrepository"`,
	)
	// What is gone is not told of any more.
	if err := s.client.Resource(kustomizations).Namespace(s.ns).Delete(t.Context(), "app", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	s.showsMetrics(addr, false, `kind="Kustomization",`+who)
}

// showsMetrics waits until all, or none, of what it is given is shown.
func (s *stage) showsMetrics(addr string, shown bool, all ...string) {
	s.t.Helper()
	for _, want := range all {
		s.eventually(fmt.Sprintf("metrics show %s: %t", want, shown), func() bool {
			res, err := http.Get("http://" + addr + "/metrics") //nolint:noctx // of this machine
			if err != nil {
				return false
			}
			defer res.Body.Close()
			text, err := io.ReadAll(res.Body)
			return err == nil && strings.Contains(string(text), want) == shown
		})
	}
}

// freeAddr is an address that nobody listens at.
func freeAddr(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
