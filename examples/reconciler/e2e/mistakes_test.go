package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gitopskit/gitopskit/internal/gitserver"
)

// TestMistakesAreExplainedAndLeaveTheClusterAsItWas makes, one after the other,
// every mistake that people make, on a Kustomization that was ready before.
func TestMistakesAreExplainedAndLeaveTheClusterAsItWas(t *testing.T) {
	s := newStage(t)
	server := gitserver.New(t, gitserver.Options{Username: "ann", Password: "right"})
	repo := server.Repo("app")
	commit := repo.Commit(map[string]string{"deploy/settings.yaml": configMap})
	s.apply(secretManifest("credentials", "username: ann", "password: right"))
	s.start()
	s.apply(gitRepository(repo.URL(), "main", "credentials"))
	s.kustomization("./deploy")
	s.isReady(commit)

	sound := func(t *testing.T) {
		t.Helper()
		if got := s.field(configMaps, "settings", "data", "color"); got != "blue" {
			t.Errorf("the ConfigMap of before has color %s", got)
		}
	}
	t.Run("a branch that does not exist", func(t *testing.T) {
		s.apply(gitRepository(repo.URL(), "mian", "credentials"))
		s.fails(gitRepos, "app", "GitOperationFailed", "mian", "main", repo.URL())
		sound(t)
	})
	t.Run("a wrong password", func(t *testing.T) {
		s.apply(secretManifest("credentials", "username: ann", "password: topsecretwrong"))
		s.apply(gitRepository(repo.URL(), "main", "credentials"))
		s.poke(gitRepos, "app")
		s.fails(gitRepos, "app", "AuthenticationFailed", repo.URL())
		if strings.Contains(s.log.String(), "topsecretwrong") {
			t.Error("the password is in the log")
		}
		sound(t)
	})
	t.Run("a secret that does not exist", func(t *testing.T) {
		s.apply(gitRepository(repo.URL(), "main", "nothing"))
		s.fails(gitRepos, "app", "AuthenticationFailed", s.ns+"/nothing", "create it")
		sound(t)
	})
	t.Run("an unknown host key", func(t *testing.T) {
		ssh, other := server.SSH(), server.SSH()
		s.apply(secretManifest("ssh", "identity: "+quote(ssh.Identity), "known_hosts: "+quote([]byte(strings.Replace(string(other.KnownHosts), other.Addr, ssh.Addr, 1)))))
		s.apply(gitRepository(ssh.URL(repo), "main", "ssh"))
		s.fails(gitRepos, "app", "AuthenticationFailed", "SHA256:", "known_hosts")
		sound(t)
	})
	s.apply(secretManifest("credentials", "username: ann", "password: right"))
	s.apply(gitRepository(repo.URL(), "main", "credentials"))
	s.eventually("the repository is ready again", func() bool {
		status, _, _ := s.ready(gitRepos, "app")
		return status == "True"
	})

	t.Run("a path that leaves the artifact", func(t *testing.T) {
		s.kustomization("../../etc")
		s.fails(kustomizations, "app", "ArtifactFailed", "../../etc", "leads out")
		sound(t)
	})
	t.Run("a path that is not there", func(t *testing.T) {
		s.kustomization("./depoly")
		s.fails(kustomizations, "app", "ArtifactFailed", "./depoly")
		sound(t)
	})
	s.kustomization("./deploy")
	s.isReady(commit)

	push := func(t *testing.T, name, content string) {
		t.Helper()
		repo.Commit(map[string]string{name: content, "deploy/settings.yaml": strings.Replace(configMap, "blue", "red", 1)})
		s.poke(gitRepos, "app")
	}
	undo := func(name string) {
		repo.Remove(name)
		commit := repo.Commit(map[string]string{"deploy/settings.yaml": configMap})
		s.poke(gitRepos, "app")
		s.isReady(commit)
	}
	files := []struct {
		mistake, file, content, reason string
		says                           []string
	}{
		{"a YAML syntax error", "deploy/broken.yaml", "kind: ConfigMap\n  name: x\n", "BuildFailed", []string{"deploy/broken.yaml", "2"}},
		{"an unknown kind", "deploy/unknown.yaml", "apiVersion: example.com/v1\nkind: Gadget\nmetadata: {name: g}\n", "ReconciliationFailed", []string{"deploy/unknown.yaml", "Gadget", "example.com/v1", "CustomResourceDefinition"}},
		{"an unknown field", "deploy/field.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: f}\ndatta: {a: b}\n", "ReconciliationFailed", []string{"deploy/field.yaml", "ConfigMap/" + s.ns + "/f", "datta"}},
		{"a missing name", "deploy/noname.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {labels: {a: b}}\n", "BuildFailed", []string{"noname.yaml", "name"}},
	}
	for _, f := range files {
		t.Run(f.mistake, func(t *testing.T) {
			push(t, f.file, f.content)
			s.fails(kustomizations, "app", f.reason, f.says...)
			sound(t)
		})
		undo(f.file)
	}

	t.Run("an object that the account may not create", func(t *testing.T) {
		s.apply(tenant)
		s.kustomization("./deploy", "serviceAccountName: tenant")
		s.isReady(repo.Head())
		push(t, "deploy/secret.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n")
		s.fails(kustomizations, "app", "ReconciliationFailed", "deploy/secret.yaml", "forbidden", "system:serviceaccount:"+s.ns+":tenant", "secrets")
		sound(t)
	})
}

// tenant may do everything with ConfigMaps and nothing else.
const tenant = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: tenant, namespace: $NS}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: tenant, namespace: $NS}
rules: [{apiGroups: [""], resources: [configmaps], verbs: ["*"]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: tenant, namespace: $NS}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: tenant}
subjects: [{kind: ServiceAccount, name: tenant, namespace: $NS}]`

func gitRepository(url, branch, secret string) string {
	return fmt.Sprintf(`
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: app, namespace: $NS}
spec: {interval: 1h, url: %q, ref: {branch: %s}, secretRef: {name: %s}}`, url, branch, secret)
}

func secretManifest(name string, lines ...string) string {
	return fmt.Sprintf("\napiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: $NS}\nstringData:\n  %s", name, strings.Join(lines, "\n  "))
}

func quote(data []byte) string { return fmt.Sprintf("%q", data) }
