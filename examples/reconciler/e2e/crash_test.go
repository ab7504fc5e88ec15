package e2e

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitopskit/gitopskit/internal/gitserver"
)

const (
	crashes      = 30
	crashObjects = 200
)

// TestKilledAtAnyMomentItConvergesAndOrphansNothing kills the reconciler again
// and again while it applies and prunes a set that changes with every commit.
// After each restart nothing may be in the cluster that no inventory owns, and
// in the end the cluster is what Git says.
func TestKilledAtAnyMomentItConvergesAndOrphansNothing(t *testing.T) {
	s := newStage(t)
	repo := gitserver.New(t, gitserver.Options{}).Repo("app")
	r := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	want := commitRandom(repo, r, 0)
	s.start()
	s.source(repo, "./deploy")
	s.isReady(repo.Head())

	for round := 1; round <= crashes; round++ {
		want = commitRandom(repo, r, round)
		s.patch(gitRepos, "app", fmt.Sprintf(`{"metadata":{"annotations":{"reconcile.fluxcd.io/requestedAt":"%d"}}}`, round))
		pause(t, time.Duration(r.IntN(900))*time.Millisecond)
		s.kill()
		s.nothingIsOrphaned(round)
		s.start()
	}
	s.poke(gitRepos, "app")
	s.isReady(repo.Head())
	got := s.configMapsOf("app")
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %q, Git says %q", name, got[name], value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d objects in the cluster, %d in Git", len(got), len(want))
	}
}

// pause lets the process get somewhere: the moment of the kill is what is
// random here.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

// commitRandom commits a set of objects of which about half differ from round
// to round, in name and in content, and returns name and content of each.
func commitRandom(repo *gitserver.Repo, r *rand.Rand, round int) map[string]string {
	want := map[string]string{}
	var all strings.Builder
	for len(want) < crashObjects {
		name := fmt.Sprintf("object-%d", r.IntN(crashObjects*2))
		value := fmt.Sprintf("%d", round*r.IntN(2))
		if _, twice := want[name]; twice {
			continue
		}
		want[name] = value
		fmt.Fprintf(&all, "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {value: %q}\n", name, value)
	}
	repo.Commit(map[string]string{"deploy/all.yaml": all.String()})
	return want
}

// configMapsOf returns name and value of the ConfigMaps that carry the owner
// labels of a Kustomization.
func (s *stage) configMapsOf(name string) map[string]string {
	s.t.Helper()
	out := map[string]string{}
	list, err := s.client.Resource(configMaps).Namespace(s.ns).List(s.t.Context(), metav1.ListOptions{
		LabelSelector: "kustomize.toolkit.fluxcd.io/name=" + name,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, u := range list.Items {
		value, _, _ := unstructured.NestedString(u.Object, "data", "value")
		out[u.GetName()] = value
	}
	return out
}

// nothingIsOrphaned checks that the inventory in the cluster lists every object
// that is there.
func (s *stage) nothingIsOrphaned(round int) {
	s.t.Helper()
	there := s.configMapsOf("app") // before the inventory, which only grows ahead of writes
	owned := map[string]bool{}
	for _, e := range list(s.get(kustomizations, "app"), "status", "inventory", "entries") {
		owned[e.(map[string]any)["id"].(string)] = true
	}
	for name := range there {
		if !owned[s.ns+"_"+name+"__ConfigMap"] {
			s.t.Errorf("after kill %d: nobody owns %s", round, name)
		}
	}
}
