package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitopskit/gitopskit/internal/gitserver"
)

var receiversGVR = schema.GroupVersionResource{Group: "notification.toolkit.fluxcd.io", Version: "v1", Resource: "receivers"}

func TestAWebhookBringsThePush(t *testing.T) {
	repo := gitserver.New(t, gitserver.Options{}).Repo("app")
	first := repo.Commit(map[string]string{"deploy/settings.yaml": configMap})
	s := newStage(t)
	addr := freeAddr(t)
	s.start("--receiver-addr=" + addr)
	s.source(repo, "./deploy")
	s.isReady(first)
	s.apply(`
apiVersion: notification.toolkit.fluxcd.io/v1
kind: Receiver
metadata: {name: push, namespace: $NS}
spec:
  type: github
  events: [ping, push]
  secretRef: {name: webhook}
  resourceFilter: req.ref == "refs/heads/main"
  resources: [{kind: GitRepository, name: app}]`)
	s.fails(receiversGVR, "push", "Failed", s.ns+"/webhook does not exist")
	s.apply(secretManifest("webhook", "token: hush"))
	s.poke(receiversGVR, "push")
	path := ""
	s.eventually("the receiver has a path", func() bool {
		path = s.field(receiversGVR, "push", "status", "webhookPath")
		return strings.HasPrefix(path, "/hook/")
	})
	post := func(path, key, id, body string) int {
		t.Helper()
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte(body))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-GitHub-Event", "push")
		req.Header.Set("X-GitHub-Delivery", id)
		req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	second := repo.Commit(map[string]string{"deploy/settings.yaml": strings.Replace(configMap, "blue", "red", 1)})
	for name, c := range map[string]struct {
		want                int
		path, key, id, body string
	}{
		"unknown path":   {404, "/hook/" + strings.Repeat("0", 64), "hush", "1", `{"ref":"refs/heads/main"}`},
		"wrong key":      {400, path, "guess", "2", `{"ref":"refs/heads/main"}`},
		"another branch": {200, path, "hush", "3", `{"ref":"refs/heads/other"}`},
	} {
		if got := post(c.path, c.key, c.id, c.body); got != c.want {
			t.Errorf("%s: HTTP %d, want %d", name, got, c.want)
		}
	}
	if at := s.get(gitRepos, "app").GetAnnotations()["reconcile.fluxcd.io/requestedAt"]; at != "" {
		t.Errorf("a reconciliation was asked for at %s", at)
	}
	if got := post(path, "hush", "4", `{"ref":"refs/heads/main"}`); got != 200 {
		t.Fatalf("HTTP %d", got)
	}
	s.isReady(second)

	s.patch(receiversGVR, "push", `{"spec":{"resources":[{"kind":"HelmRelease","name":"x"}]}}`)
	s.fails(receiversGVR, "push", "Unsupported", "spec.resources[0].kind HelmRelease")
	s.eventually("it answers no longer", func() bool { return post(path, "hush", "5", `{"ref":"refs/heads/main"}`) == 404 })
}
