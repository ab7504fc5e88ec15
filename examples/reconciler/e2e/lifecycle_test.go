package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitopskit/gitopskit/internal/gitserver"
)

func (s *stage) delete(name string) {
	s.t.Helper()
	if err := s.client.Resource(kustomizations).Namespace(s.ns).Delete(s.t.Context(), name, metav1.DeleteOptions{}); err != nil {
		s.t.Fatal(err)
	}
	s.eventually(name+" is gone", func() bool { return s.get(kustomizations, name) == nil })
}

func TestDeletionPolicies(t *testing.T) {
	cases := []struct {
		reason string
		spec   []string
		stays  bool
	}{
		{"MirrorPrune with prune deletes", nil, false},
		{"MirrorPrune without prune keeps", []string{"prune: false"}, true},
		{"Delete deletes although prune is off", []string{"prune: false", "deletionPolicy: Delete"}, false},
		{"WaitForTermination deletes and waits", []string{"deletionPolicy: WaitForTermination"}, false},
		{"Orphan keeps although prune is on", []string{"deletionPolicy: Orphan"}, true},
		{"suspended keeps", []string{"suspend: true"}, true},
	}
	s := newStage(t)
	repo := gitserver.New(t, gitserver.Options{}).Repo("app")
	commit := repo.Commit(map[string]string{"deploy/settings.yaml": configMap})
	s.start()
	s.source(repo, "./deploy")
	s.isReady(commit)
	s.delete("app")
	for _, c := range cases {
		t.Run(c.reason, func(t *testing.T) {
			s.kustomization("./deploy")
			s.isReady(commit)
			s.eventually("applied", func() bool { return s.get(configMaps, "settings") != nil })
			for _, line := range c.spec {
				key, value, _ := strings.Cut(line, ": ")
				if value != "true" && value != "false" {
					value = `"` + value + `"`
				}
				s.patch(kustomizations, "app", fmt.Sprintf(`{"spec":{%q:%s}}`, key, value))
			}
			s.delete("app")
			if got := s.get(configMaps, "settings") != nil; got != c.stays {
				t.Errorf("the object is there: %v, want %v", got, c.stays)
			}
		})
	}
}

func TestSuspendLeavesEverythingAloneUntilResumed(t *testing.T) {
	s := newStage(t)
	repo := gitserver.New(t, gitserver.Options{}).Repo("app")
	first := repo.Commit(map[string]string{"deploy/settings.yaml": configMap})
	s.start()
	s.source(repo, "./deploy")
	s.isReady(first)
	s.patch(kustomizations, "app", `{"spec":{"suspend":true}}`)
	s.patch(configMaps, "settings", `{"data":{"color":"manual"}}`)
	second := repo.Commit(map[string]string{"deploy/settings.yaml": strings.Replace(configMap, "tier: web", "tier: api", 1)})
	s.poke(gitRepos, "app")
	s.eventually("the source is at the second commit", func() bool {
		return strings.HasSuffix(s.field(gitRepos, "app", "status", "artifact", "revision"), second)
	})
	if got := s.field(configMaps, "settings", "data", "color"); got != "manual" {
		t.Errorf("a suspended Kustomization reverted a change: %s", got)
	}
	s.patch(kustomizations, "app", `{"spec":{"suspend":false}}`)
	s.isReady(second)
	if got := s.field(configMaps, "settings", "data", "color"); got != "blue" {
		t.Errorf("after resuming: %s", got)
	}
}

func TestDependentsFollowAtOnce(t *testing.T) {
	s := newStage(t)
	repo := gitserver.New(t, gitserver.Options{}).Repo("app")
	repo.Commit(map[string]string{
		"base/settings.yaml": strings.Replace(configMap, "name: settings", "name: base", 1),
		"deploy/web.yaml":    strings.Replace(configMap, "name: settings", "name: top", 1),
	})
	s.start()
	s.source(repo, "./deploy", "dependsOn: [{name: base}]")
	s.fails(kustomizations, "app", "DependencyNotReady", s.ns+"/base", "does not exist")
	if s.get(configMaps, "top") != nil {
		t.Error("applied before its dependency")
	}
	s.apply(`
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: base, namespace: $NS}
spec: {interval: 1h, prune: true, path: ./base, targetNamespace: $NS, sourceRef: {kind: GitRepository, name: app}}`)
	s.isReady(repo.Head())
	if s.get(configMaps, "base") == nil || s.get(configMaps, "top") == nil {
		t.Error("not everything was applied")
	}
}

func TestUnhealthyIsReportedDownToThePodAndAFixEndsTheWait(t *testing.T) {
	s := newStage(t)
	repo := gitserver.New(t, gitserver.Options{}).Repo("app")
	unschedulable := strings.Replace(webApp, "    spec:\n", "    spec:\n      nodeSelector: {no: such-node}\n", 1)
	repo.Commit(map[string]string{"deploy/web.yaml": unschedulable})
	s.start()
	s.source(repo, "./deploy", "wait: true", "timeout: 2s")
	s.fails(kustomizations, "app", "HealthCheckFailed", "Deployment/"+s.ns+"/web", "0 of 2 pods are available", "Unschedulable")

	s.patch(kustomizations, "app", `{"spec":{"timeout":"30m"}}`)
	s.eventually("the wait goes on", func() bool {
		status, reason, _ := s.ready(kustomizations, "app")
		return status == "Unknown" && reason == "Progressing"
	})
	fixed := repo.Commit(map[string]string{"deploy/web.yaml": webApp})
	s.poke(gitRepos, "app")
	s.isReady(fixed)
}

func TestMovingAnObjectFromOneKustomizationToAnotherDoesNotDeleteIt(t *testing.T) {
	s := newStage(t)
	repo := gitserver.New(t, gitserver.Options{}).Repo("app")
	moved := strings.Replace(configMap, "name: settings", "name: moved", 1)
	repo.Commit(map[string]string{"deploy/moved.yaml": moved, "deploy/settings.yaml": configMap, "other/x.yaml": strings.Replace(configMap, "name: settings", "name: x", 1)})
	s.start()
	s.source(repo, "./deploy")
	s.apply(`
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: other, namespace: $NS}
spec: {interval: 1h, prune: true, path: ./other, targetNamespace: $NS, sourceRef: {kind: GitRepository, name: app}}`)
	s.isReady(repo.Head())
	s.eventually("the object to move is there", func() bool { return s.get(configMaps, "moved") != nil })
	uid := s.get(configMaps, "moved").GetUID()

	repo.Remove("deploy/moved.yaml")
	commit := repo.Commit(map[string]string{"other/moved.yaml": moved})
	s.poke(gitRepos, "app")
	s.isReady(commit)
	s.eventually("the other owns it", func() bool {
		return s.field(configMaps, "moved", "metadata", "labels", "kustomize.toolkit.fluxcd.io/name") == "other"
	})
	if got := s.get(configMaps, "moved").GetUID(); got != uid {
		t.Errorf("the object was deleted and made anew: UID %s, was %s", got, uid)
	}
}

func TestHealthChecksWaitForWhatTheyName(t *testing.T) {
	s := newStage(t)
	repo := gitserver.New(t, gitserver.Options{}).Repo("app")
	commit := repo.Commit(map[string]string{"deploy/web.yaml": webApp})
	s.start()
	s.source(repo, "./deploy", "healthChecks: [{kind: Deployment, name: web, namespace: $NS}]")
	s.isReady(commit)
	s.available("web")

	s.kustomization("./deploy", "timeout: 1s", "healthChecks: [{apiVersion: v1, kind: Secret, name: never, namespace: $NS}, {kind: Deployment, name: absent, namespace: $NS}]")
	s.fails(kustomizations, "app", "HealthCheckFailed", "Deployment/"+s.ns+"/absent: NotFound", "Secret/"+s.ns+"/never: NotFound")
}

func TestSIGTERMEndsItInOrder(t *testing.T) {
	s := newStage(t)
	repo := gitserver.New(t, gitserver.Options{}).Repo("app")
	commit := repo.Commit(map[string]string{"deploy/settings.yaml": configMap})
	s.start()
	s.source(repo, "./deploy")
	s.isReady(commit)
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-s.exited
	if code := s.process.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
