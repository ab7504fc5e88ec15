package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitopskit/gitopskit/internal/gitserver"
)

// available waits until a Deployment has the condition Available.
func (s *stage) available(name string) {
	s.t.Helper()
	s.eventually(name+" is available", func() bool {
		for _, c := range list(s.get(deployments, name), "status", "conditions") {
			m := c.(map[string]any)
			if m["type"] == "Available" && m["status"] == "True" {
				return true
			}
		}
		return false
	})
}

func TestPodinfoOverHTTP(t *testing.T) {
	s := newStage(t)
	repo := gitserver.New(t, gitserver.Options{}).Repo("podinfo")
	commit := repo.Commit(files(t, shared(t, "podinfo", "kustomize"), "kustomize"))
	s.start()
	s.source(repo, "./kustomize", "wait: true")
	s.available("podinfo")
	s.isReady(commit)
}

func TestPodinfoOverSSH(t *testing.T) {
	s := newStage(t)
	server := gitserver.New(t, gitserver.Options{})
	repo := server.Repo("podinfo")
	commit := repo.Commit(files(t, shared(t, "podinfo", "kustomize"), "kustomize"))
	ssh := server.SSH()
	s.apply(secretManifest("ssh", "identity: "+quote(ssh.Identity), "known_hosts: "+quote(ssh.KnownHosts)))
	s.start()
	s.apply(gitRepository(ssh.URL(repo), "main", "ssh"))
	s.kustomization("./kustomize", "wait: true")
	s.available("podinfo")
	s.isReady(commit)
}

// TestTutorialManifestsAreAcceptedByKubectl applies the tutorials' manifests
// with kubectl as it is, which refuses fields that it does not know.
func TestTutorialManifestsAreAcceptedByKubectl(t *testing.T) {
	s := newStage(t)
	for _, name := range []string{"gitrepository-v1.yaml", "kustomization-v1.yaml", "staging-v1beta2.yaml"} {
		t.Run(name, func(t *testing.T) {
			manifest := shared(t, "tutorial", name)
			for _, mode := range []string{"--dry-run=server", "--server-side"} {
				s.namespaceExists("flux-system")
				out, err := s.cluster.Kubectl(t, "apply", mode, "--validate=strict", "-f", manifest).CombinedOutput()
				if err != nil {
					t.Errorf("kubectl apply %s: %v\n%s", mode, err, out)
				}
				if strings.Contains(string(out), "unknown field") {
					t.Errorf("kubectl complains: %s", out)
				}
			}
			out, err := s.cluster.Kubectl(t, "delete", "--wait=false", "-f", manifest).CombinedOutput()
			if err != nil {
				t.Errorf("kubectl delete: %v\n%s", err, out)
			}
		})
	}
}

func (s *stage) namespaceExists(name string) {
	s.t.Helper()
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace"}}
	u.SetName(name)
	applyNow(s.t, s.cfg, []*unstructured.Unstructured{u})
}

// TestTutorialAppIsPromotedByACommit deploys the tutorials' application from a
// staging overlay, and then promotes its version to production by a commit, all
// in the API versions that the tutorials use.
func TestTutorialAppIsPromotedByACommit(t *testing.T) {
	s := newStage(t)
	repo := gitserver.New(t, gitserver.Options{}).Repo("app")
	content := files(t, shared(t, "tutorial", "app"), "base")
	overlay := func(env, tag string) string {
		return "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamePrefix: " + env + "-\nresources: [../../base]\nimages: [{name: my-registry/my-app, newTag: " + tag + "}]\n"
	}
	content["kustomizations/staging/kustomization.yaml"] = overlay("staging", "v1.0.1")
	content["kustomizations/production/kustomization.yaml"] = overlay("production", "v1.0.0")
	repo.Commit(content)
	s.start()
	s.apply(`
apiVersion: source.toolkit.fluxcd.io/v1beta2
kind: GitRepository
metadata: {name: my-app-repo, namespace: $NS}
spec: {interval: 1m, url: "` + repo.URL() + `", ref: {branch: main}}`)
	for _, env := range []string{"staging", "production"} {
		s.apply(strings.ReplaceAll(`
apiVersion: kustomize.toolkit.fluxcd.io/v1beta2
kind: Kustomization
metadata: {name: my-app-ENV, namespace: $NS}
spec:
  interval: 5m
  path: ./kustomizations/ENV
  sourceRef: {kind: GitRepository, name: my-app-repo}
  prune: true
  validation: client
  targetNamespace: $NS`, "ENV", env))
	}
	image := func(env string) string {
		for _, c := range list(s.get(deployments, env+"-my-app"), "spec", "template", "spec", "containers") {
			return c.(map[string]any)["image"].(string)
		}
		return ""
	}
	s.available("staging-my-app")
	s.available("production-my-app")
	if got := image("staging") + " " + image("production"); got != "my-registry/my-app:v1.0.1 my-registry/my-app:v1.0.0" {
		t.Fatalf("images: %s", got)
	}
	repo.Commit(map[string]string{filepath.ToSlash("kustomizations/production/kustomization.yaml"): overlay("production", "v1.0.1")})
	s.poke(gitRepos, "my-app-repo")
	s.eventually("production runs what staging ran", func() bool { return image("production") == "my-registry/my-app:v1.0.1" })
}
