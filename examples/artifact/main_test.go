package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
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
	cosignKey := signWithCosign(t, reg.Host+"/org/app:v1")
	if got := do("verify", url+":v1", cosignKey); !strings.Contains(got, "is signed by cosign key SHA256:") {
		t.Error(got)
	}
	do("push", repo.URL(), url+":unsigned")
	if err := run(t.Context(), []string{"verify", url + ":unsigned", cosignKey}, &out, cache); err == nil {
		t.Error("an unsigned artifact is verified")
	}
}

// signWithCosign attaches a signature as cosign does and returns the file of the
// public key.
func signWithCosign(t *testing.T, artifact string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(artifact, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	head, err := remote.Head(ref)
	if err != nil {
		t.Fatal(err)
	}
	payload := []byte(`{"critical":{"type":"cosign container image signature","image":{"docker-manifest-digest":"` + head.Digest.String() + `"}}}`)
	sum := sha256.Sum256(payload)
	sig, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.Append(mutate.MediaType(empty.Image, types.OCIManifestSchema1), mutate.Addendum{
		Layer:       static.NewLayer(payload, "application/vnd.dev.cosign.simplesigning.v1+json"),
		Annotations: map[string]string{"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(sig)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref.Context().Tag(strings.Replace(head.Digest.String(), ":", "-", 1)+".sig"), img); err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "cosign.pub")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
