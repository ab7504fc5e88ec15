package e2e

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitopskit/gitopskit/internal/gitserver"
)

const configMap = `apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  labels: {tier: web}
  annotations: {note: keep}
data:
  color: blue
`

const webApp = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 2
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
        - name: web
          image: web:1.0.0
`

func TestPushIsAppliedPrunedAndRefused(t *testing.T) {
	s := newStage(t)
	repo := gitserver.New(t, gitserver.Options{}).Repo("app")
	first := repo.Commit(map[string]string{"deploy/settings.yaml": configMap, "deploy/web.yaml": webApp})
	s.start()
	s.source(repo, "./deploy", "wait: true")
	s.isReady(first)
	if got := s.field(configMaps, "settings", "data", "color"); got != "blue" {
		t.Fatalf("color = %s", got)
	}

	second := repo.Commit(map[string]string{"deploy/settings.yaml": strings.Replace(configMap, "blue", "green", 1)})
	s.poke(gitRepos, "app")
	s.isReady(second)
	if got := s.field(configMaps, "settings", "data", "color"); got != "green" {
		t.Errorf("color = %s", got)
	}

	broken := strings.Replace(webApp, "replicas: 2", "replicas: many", 1)
	repo.Commit(map[string]string{"deploy/web.yaml": broken, "deploy/settings.yaml": configMap})
	s.poke(gitRepos, "app")
	s.fails(kustomizations, "app", "ReconciliationFailed", "Deployment/"+s.ns+"/web", "spec.replicas", "deploy/web.yaml")
	if got := s.field(configMaps, "settings", "data", "color"); got != "green" {
		t.Errorf("a part of a refused commit was applied: color = %s", got)
	}

	repo.Git("revert", "--no-edit", "HEAD")
	s.poke(gitRepos, "app")
	s.isReady(repo.Head())

	repo.Remove("deploy/settings.yaml")
	last := repo.Commit(nil)
	s.poke(gitRepos, "app")
	s.isReady(last)
	if s.get(configMaps, "settings") != nil {
		t.Error("settings was not pruned")
	}

	if err := s.client.Resource(kustomizations).Namespace(s.ns).Delete(t.Context(), "app", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	s.eventually("the Deployment goes with its Kustomization", func() bool { return s.get(deployments, "web") == nil })
}

func TestManualChangesAreRevertedAtOnce(t *testing.T) {
	s := newStage(t)
	repo := gitserver.New(t, gitserver.Options{}).Repo("app")
	commit := repo.Commit(map[string]string{"deploy/settings.yaml": configMap, "deploy/web.yaml": webApp})
	s.start()
	s.source(repo, "./deploy")
	s.isReady(commit)

	image := func() string {
		for _, c := range list(s.get(deployments, "web"), "spec", "template", "spec", "containers") {
			return c.(map[string]any)["image"].(string)
		}
		return "(none)"
	}
	cases := []struct {
		reason string
		change func()
		isBack func() bool
	}{
		{"value of a ConfigMap", func() { s.patch(configMaps, "settings", `{"data":{"color":"red"}}`) },
			func() bool { return s.field(configMaps, "settings", "data", "color") == "blue" }},
		{"image of a Deployment", func() {
			s.patch(deployments, "web", `{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"evil:1"}]}}}}`)
		}, func() bool { return image() == "web:1.0.0" }},
		{"label", func() { s.patch(configMaps, "settings", `{"metadata":{"labels":{"tier":"none"}}}`) },
			func() bool { return s.field(configMaps, "settings", "metadata", "labels", "tier") == "web" }},
		{"removed annotation", func() { s.patch(configMaps, "settings", `{"metadata":{"annotations":{"note":null}}}`) },
			func() bool { return s.field(configMaps, "settings", "metadata", "annotations", "note") == "keep" }},
		{"added by kubectl", func() { s.patch(configMaps, "settings", `{"data":{"extra":"1"}}`) },
			func() bool { return s.field(configMaps, "settings", "data", "extra") == "(none)" }},
		{"owner label removed", func() {
			s.patch(configMaps, "settings", `{"metadata":{"labels":{"kustomize.toolkit.fluxcd.io/name":null}}}`)
		}, func() bool {
			return s.field(configMaps, "settings", "metadata", "labels", "kustomize.toolkit.fluxcd.io/name") == "app"
		}},
		{"deleted object", func() {
			if err := s.client.Resource(configMaps).Namespace(s.ns).Delete(t.Context(), "settings", metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
		}, func() bool { return s.get(configMaps, "settings") != nil }},
	}
	for _, c := range cases {
		t.Run(c.reason, func(t *testing.T) {
			started := time.Now()
			c.change()
			s.eventually("put right", c.isBack)
			t.Logf("put right after %s", time.Since(started).Round(time.Millisecond))
		})
	}
}
