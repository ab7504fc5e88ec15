package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/gitopskit/gitopskit/internal/gitserver"
	"github.com/gitopskit/gitopskit/internal/servers"
)

func TestArtifact(t *testing.T) {
	reg := servers.NewRegistry(t, servers.RegistryOptions{})
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	t.Setenv("INSECURE", reg.Host)
	cache := t.TempDir()
	do := func(args ...string) string {
		t.Helper()
		var out bytes.Buffer
		if err := run(t.Context(), args, &out, cache); err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return out.String()
	}
	private, public := gitserver.NewKey(t, "")
	key := filepath.Join(t.TempDir(), "key")
	for name, data := range map[string][]byte{key: private, key + ".pub": ssh.MarshalAuthorizedKey(public)} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	repo.Write("deploy/a.yaml", "a")
	repo.Git("add", ".")
	repo.Git("-c", "gpg.format=ssh", "-c", "user.signingkey="+key, "commit", "-S", "-qm", "signed")
	url := "oci://" + reg.Host + "/org/app"
	if got := do("push", repo.URL()+"#refs/heads/main", url+":v1"); !strings.Contains(got, "pushed refs/heads/main@sha1:"+repo.Head()) {
		t.Error(got)
	}
	folder := filepath.Join(t.TempDir(), "out")
	do("pull", url+":v1", folder)
	if data, err := os.ReadFile(filepath.Join(folder, "deploy/a.yaml")); err != nil || string(data) != "a" {
		t.Errorf("%q, %v", data, err)
	}
	if got := do("diff", folder, url+":v1"); got != "" {
		t.Errorf("differs from what was pulled: %s", got)
	}
	repo.Commit(map[string]string{"deploy/a.yaml": "changed", "new": "n"})
	if got := do("diff", url+":v1", repo.URL()); got != "changed deploy/a.yaml\nadded new\n" {
		t.Error(got)
	}
	do("tag", url+":v1", "stable")
	if got := do("list", url); got != "stable\nv1\n" {
		t.Error(got)
	}
	repo.Git("update-ref", "refs/heads/signed", "HEAD~1")
	if got := do("verify", repo.URL()+"#refs/heads/signed", key+".pub"); !strings.Contains(got, "is signed by SSH key SHA256:") {
		t.Error(got)
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"verify", repo.URL(), key + ".pub"}, &out, cache); err == nil {
		t.Error("an unsigned commit is verified")
	}
}
