package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
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
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"golang.org/x/crypto/ssh"

	"github.com/gitopskit/gitopskit/internal/gitserver"
	"github.com/gitopskit/gitopskit/internal/servers"
)

// tool runs the command with a cache of its own.
type tool struct {
	t      *testing.T
	cache  string
	global []string
}

func (c tool) code(want int, args ...string) (out, errs string) {
	c.t.Helper()
	var o, e bytes.Buffer
	if code := run(c.t.Context(), append(append([]string{}, args...), append([]string{"--cache", c.cache}, c.global...)...), &o, &e); code != want {
		c.t.Fatalf("%v: exit code %d, want %d\n%s", args, code, want, e.String())
	}
	return o.String(), e.String()
}

func (c tool) do(args ...string) string {
	c.t.Helper()
	out, _ := c.code(0, args...)
	return out
}

func TestArtifact(t *testing.T) {
	reg := servers.NewRegistry(t, servers.RegistryOptions{})
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	c := tool{t, t.TempDir(), []string{"--insecure", reg.Host}}
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
	var first pushed
	if err := json.Unmarshal([]byte(c.do("push", repo.URL()+"#refs/heads/main", url+":v1", "--tag", "one", "-o", "json")), &first); err != nil {
		t.Fatal(err)
	}
	if first.Revision != "refs/heads/main@sha1:"+repo.Head() || first.Artifact != url+":v1@"+first.Digest {
		t.Errorf("%+v", first)
	}
	folder := filepath.Join(t.TempDir(), "new", "out")
	if got := c.do("pull", url+":one", folder); !strings.HasSuffix(got, ": 1 files, 1 bytes\n") {
		t.Error(got)
	}
	if data, err := os.ReadFile(filepath.Join(folder, "deploy/a.yaml")); err != nil || string(data) != "a" {
		t.Errorf("%q, %v", data, err)
	}
	if got := c.do("diff", folder, url+"@"+first.Digest, "--exit-code"); got != "" {
		t.Errorf("differs from what was pulled: %s", got)
	}
	repo.Commit(map[string]string{"deploy/a.yaml": "changed", "new": "n"})
	if got, _ := c.code(exitDifferent, "diff", url+":v1", repo.URL(), "--exit-code"); got != "changed deploy/a.yaml\nadded new\n" {
		t.Error(got)
	}
	c.do("tag", url+":v1", "stable", "other")
	if got := c.do("list", url); got != "one\nother\nstable\nv1\n" {
		t.Error(got)
	}
	repo.Git("update-ref", "refs/heads/signed", "HEAD~1")
	if got := c.do("verify", repo.URL()+"#refs/heads/signed", "--key", key+".pub"); !strings.Contains(got, "is signed by SSH key SHA256:") {
		t.Error(got)
	}
	c.code(exitUnverified, "verify", repo.URL(), "--key", key+".pub")
	cosignKey := signWithCosign(t, reg.Host+"/org/app:v1")
	if got := c.do("verify", url+":v1", "--key", cosignKey); !strings.Contains(got, "is signed by cosign key SHA256:") {
		t.Error(got)
	}
	c.do("push", repo.URL(), url+":unsigned")
	c.code(exitUnverified, "verify", url+":unsigned", "--key", cosignKey)
}

func TestSSHAndBuckets(t *testing.T) {
	reg := servers.NewRegistry(t, servers.RegistryOptions{})
	objects := servers.NewS3(t)
	store, err := minio.New(objects.Host, &minio.Options{Creds: credentials.NewStaticV4(objects.AccessKey, objects.SecretKey, "")})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.MakeBucket(t.Context(), "apps", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := store.PutObject(t.Context(), "apps", "shop/a.yaml", strings.NewReader("a"), 1, minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", objects.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", objects.SecretKey)
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	repo.Commit(map[string]string{"shop/a.yaml": "a"})
	server := srv.SSH()
	key, known := filepath.Join(t.TempDir(), "key"), filepath.Join(t.TempDir(), "known")
	for name, data := range map[string][]byte{key: server.Identity, known: server.KnownHosts} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := tool{t, t.TempDir(), []string{"--insecure", reg.Host, "--insecure", objects.Host, "--ssh-key", key, "--known-hosts", known}}
	if got := c.do("diff", server.URL(repo), "s3://"+objects.Host+"/apps", "-o", "json"); got != "[]\n" {
		t.Error(got)
	}
	c.do("push", "s3://"+objects.Host+"/apps", "oci://"+reg.Host+"/apps:v1")
}

func TestWhatIsRefused(t *testing.T) {
	c := tool{t: t, cache: t.TempDir()}
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "mine"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]struct {
		code  int
		words string
		args  []string
	}{
		"unknown command":    {exitUsage, `no command "fetch"`, []string{"fetch"}},
		"unknown flag":       {exitUsage, "--nope", []string{"list", "--nope", "x"}},
		"too few arguments":  {exitUsage, "usage: artifact pull SOURCE FOLDER", []string{"pull", "x"}},
		"unknown output":     {exitUsage, "--output", []string{"list", "oci://x/y", "-o", "xml"}},
		"unknown scheme":     {exitUsage, "ftp://x", []string{"pull", "ftp://x", "y"}},
		"no key":             {exitUsage, "--key FILE", []string{"verify", "oci://x/y"}},
		"SSH without a key":  {exitUsage, "--ssh-key", []string{"pull", "ssh://git@127.0.0.1/x", "y"}},
		"time":               {exitUsage, "--created", []string{"push", full, "oci://x/y:z", "--created", "today"}},
		"no folder":          {exitFailed, "a SOURCE is a folder", []string{"push", full + "x", "oci://x/y:z"}},
		"file":               {exitFailed, "is no folder", []string{"push", full + "/mine", "oci://x/y:z"}},
		"folder of others":   {exitFailed, "not empty", []string{"pull", full, full}},
		"registry of nobody": {exitFailed, "127.0.0.1:1", []string{"list", "oci://127.0.0.1:1/x"}},
		"too slow":           {exitFailed, "--timeout 1ns", []string{"list", "oci://127.0.0.1:1/x", "--timeout", "1ns"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.t = t
			if _, errs := c.code(r.code, r.args...); !strings.Contains(errs, r.words) {
				t.Errorf("says %q, want %q in it", errs, r.words)
			}
		})
	}
}

func TestInterruptionLeavesNoFolder(t *testing.T) {
	stalled := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(stalled)
		<-r.Context().Done()
	}))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-stalled; cancel() }()
	folder := filepath.Join(t.TempDir(), "out")
	var out, errs bytes.Buffer
	code := run(ctx, []string{"pull", server.URL + "/app.git", folder, "--cache", t.TempDir()}, &out, &errs)
	if left, err := os.ReadDir(filepath.Dir(folder)); code != exitInterrupted || err != nil || len(left) > 0 {
		t.Errorf("exit code %d (%s), left: %v, %v", code, errs.String(), left, err)
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
