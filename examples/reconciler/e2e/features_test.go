package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"golang.org/x/crypto/ssh"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitopskit/gitopskit/internal/gitserver"
	"github.com/gitopskit/gitopskit/render/sops"
)

func TestOnlySignedCommitsAreApplied(t *testing.T) {
	s := newStage(t)
	repo := gitserver.New(t, gitserver.Options{}).Repo("app")
	repo.Commit(map[string]string{"deploy/settings.yaml": configMap})
	private, public := gitserver.NewKey(t, "")
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, private, 0o600); err != nil {
		t.Fatal(err)
	}
	sign := func() string {
		repo.Git("-c", "gpg.format=ssh", "-c", "user.signingkey="+key, "commit", "--quiet", "--amend", "-S", "-m", "signed")
		return repo.Head()
	}
	s.start()
	s.source(repo, "./deploy")
	s.patch(gitRepos, "app", `{"spec":{"verify":{"mode":"HEAD","secretRef":{"name":"authors"}}}}`)
	s.fails(gitRepos, "app", "VerificationError", s.ns+"/authors", "does not exist")
	s.apply(secretManifest("authors", "author.sshpub: "+quote(ssh.MarshalAuthorizedKey(public))))
	s.pokeUntilItFails("not signed")

	signed := sign()
	s.poke(gitRepos, "app")
	s.isReady(signed)
	s.eventually("the source is verified", func() bool {
		for _, c := range list(s.get(gitRepos, "app"), "status", "conditions") {
			if m := c.(map[string]any); m["type"] == "SourceVerified" {
				return m["status"] == "True"
			}
		}
		return false
	})

	repo.Commit(map[string]string{"deploy/settings.yaml": strings.Replace(configMap, "blue", "red", 1)})
	s.pokeUntilItFails("not signed")
	if got := s.field(configMaps, "settings", "data", "color"); got != "blue" {
		t.Errorf("an unsigned commit was applied: %s", got)
	}
	signed = sign()
	s.poke(gitRepos, "app")
	s.isReady(signed)
}

// pokeUntilItFails asks for a reconciliation and waits until the source's
// condition says what is wrong.
func (s *stage) pokeUntilItFails(says string) {
	s.t.Helper()
	s.poke(gitRepos, "app")
	s.eventually("the source fails: "+says, func() bool {
		status, _, message := s.ready(gitRepos, "app")
		return status == "False" && strings.Contains(message, says)
	})
}

func TestIncludedRepositoriesAreFollowed(t *testing.T) {
	s := newStage(t)
	server := gitserver.New(t, gitserver.Options{})
	app, lib := server.Repo("app"), server.Repo("lib")
	head := app.Commit(map[string]string{"deploy/settings.yaml": configMap})
	shared := strings.Replace(configMap, "name: settings", "name: shared", 1)
	lib.Commit(map[string]string{"manifests/shared.yaml": shared, "other/broken.yaml": "{"})
	s.start()
	s.source(app, "./deploy")
	s.isReady(head)
	s.patch(gitRepos, "app", `{"spec":{"include":[{"repository":{"name":"lib"},"fromPath":"manifests","toPath":"deploy/lib"}]}}`)
	s.fails(gitRepos, "app", "NotFound", "include[0]", s.ns+"/lib", "does not exist")
	if s.get(configMaps, "settings") == nil {
		t.Error("what was there before the mistake is gone")
	}

	s.apply(fmt.Sprintf(`
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: lib, namespace: $NS}
spec: {interval: 1h, url: %q, ref: {branch: main}}`, lib.URL()))
	s.eventually("the included manifest is applied", func() bool { return s.field(configMaps, "shared", "data", "color") == "blue" })
	lib.Commit(map[string]string{"manifests/shared.yaml": strings.Replace(shared, "blue", "red", 1)})
	s.poke(gitRepos, "lib")
	s.eventually("a change of the included repository is applied", func() bool { return s.field(configMaps, "shared", "data", "color") == "red" })
	s.isReady(head)
}

func TestSecretsAreDecryptedWithSOPS(t *testing.T) {
	s := newStage(t)
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	recipient, err := sops.AgeRecipient(identity.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	plain := "apiVersion: v1\nkind: Secret\nmetadata: {name: token}\nstringData: {value: correct-horse}\n"
	encrypted, err := sops.Encrypt(t.Context(), []byte(plain), sops.YAML, sops.EncryptOptions{
		Recipients: []sops.Recipient{recipient}, EncryptedRegex: "^(data|stringData)$",
	})
	if err != nil {
		t.Fatal(err)
	}
	repo := gitserver.New(t, gitserver.Options{}).Repo("app")
	head := repo.Commit(map[string]string{"deploy/token.yaml": string(encrypted)})
	s.start()
	s.source(repo, "./deploy", "decryption: {provider: sops, secretRef: {name: keys}}")
	s.fails(kustomizations, "app", "BuildFailed", s.ns+"/keys", "does not exist")
	s.apply(secretManifest("keys", "main.agekey: "+quote([]byte(identity.String()))))
	s.poke(kustomizations, "app")
	s.isReady(head)
	if got := s.field(secrets, "token", "data", "value"); got != "Y29ycmVjdC1ob3JzZQ==" {
		t.Errorf("the Secret has %q", got)
	}
	if log := s.log.String(); strings.Contains(log, "correct-horse") || strings.Contains(log, "AGE-SECRET-KEY") {
		t.Error("the log has a secret")
	}
}

func TestIgnoredFieldsAreLeftToOthers(t *testing.T) {
	s := newStage(t)
	repo := gitserver.New(t, gitserver.Options{}).Repo("app")
	head := repo.Commit(map[string]string{"deploy/web.yaml": webApp, "deploy/settings.yaml": configMap})
	s.start()
	s.source(repo, "./deploy", `ignore: [{paths: [/spec/replicas], target: {kind: Deployment}}]`)
	s.isReady(head)
	s.patch(deployments, "web", `{"spec":{"replicas":5}}`)
	s.patch(configMaps, "settings", `{"data":{"color":"red"}}`)
	s.eventually("what is not ignored is put right", func() bool { return s.field(configMaps, "settings", "data", "color") == "blue" })
	s.poke(kustomizations, "app")
	if n, _, _ := unstructured.NestedInt64(s.get(deployments, "web").Object, "spec", "replicas"); n != 5 {
		t.Errorf("replicas are %d, and the autoscaler wanted 5: %v", n, s.get(deployments, "web").GetManagedFields())
	}
}

func TestHealthAndDependenciesByExpression(t *testing.T) {
	s := newStage(t)
	repo := gitserver.New(t, gitserver.Options{}).Repo("app")
	head := repo.Commit(map[string]string{"deploy/settings.yaml": configMap})
	s.start()
	s.source(repo, "./deploy", "timeout: 5m", "wait: true", "healthCheckExprs: [{apiVersion: v1, kind: ConfigMap, current: 'data.color =='}]")
	s.fails(kustomizations, "app", "InvalidCELExpression", "healthCheckExprs", "ConfigMap", "Syntax error")
	s.patch(kustomizations, "app", `{"spec":{"healthCheckExprs":[{"apiVersion":"v1","kind":"ConfigMap","current":"metadata.?annotations.reviewed.orValue('no') == 'yes'"}]}}`)
	s.eventually("its health is waited for", func() bool {
		_, reason, _ := s.ready(kustomizations, "app")
		return reason == "Progressing"
	})
	s.apply(`
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: next, namespace: $NS}
spec:
  interval: 1h
  prune: true
  path: ./deploy
  namePrefix: next-
  targetNamespace: $NS
  dependsOn: [{name: app, readyExpr: "dep.metadata.labels['stage'] == self.metadata.namespace"}]
  sourceRef: {kind: GitRepository, name: app}`)
	s.fails(kustomizations, "next", "DependencyNotReady", "readyExpr can't be evaluated", "labels")
	s.patch(kustomizations, "app", fmt.Sprintf(`{"metadata":{"labels":{"stage":%q}}}`, s.ns))
	s.poke(kustomizations, "next")
	s.eventually("the dependent is applied", func() bool { return s.get(configMaps, "next-settings") != nil })

	if status, _, message := s.ready(kustomizations, "app"); status == "True" {
		t.Errorf("ready although the expression is not true: %s", message)
	}
	s.patchAs("reviewer", configMaps, "settings", `{"metadata":{"annotations":{"reviewed":"yes"}}}`)
	s.isReady(head)
}
