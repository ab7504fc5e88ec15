package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"golang.org/x/crypto/ssh"

	"github.com/gitopskit/gitopskit/internal/gitserver"
	"github.com/gitopskit/gitopskit/internal/servers"
)

func put(t *testing.T, data []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestRepositoryBySSHWithSignedCommits(t *testing.T) {
	reg := servers.NewRegistry(t, servers.RegistryOptions{})
	pushImage(t, reg, "org/app", time.Now(), "1.0.0", "1.1.0", "main-1")
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("fleet")
	repo.Commit(map[string]string{"clusters/policies.yaml": policies(reg.Host), "clusters/web.yaml": marked, "elsewhere.yaml": marked, "link.txt": ""})
	server := srv.SSH()
	private, public := gitserver.NewKey(t, "")
	common := []string{
		"--insecure", reg.Host, "--path", "clusters", "--ssh-key", put(t, server.Identity), "--known-hosts", put(t, server.KnownHosts),
		"--signing-key", put(t, private), "--author-name", "Bot", "--author-email", "bot@example.com",
		"--message", "{{ range .Changed.Changes }}{{ .OldValue }} -> {{ .NewValue }}\n{{ end }}", server.URL(repo),
	}
	before := repo.Git("rev-parse", "main")
	out := ok(t, 0, append([]string{"--dry-run"}, common...)...)
	if !strings.Contains(out, "--- a/clusters/web.yaml") || strings.Contains(out, "elsewhere") || repo.Git("rev-parse", "main") != before {
		t.Fatalf("dry run: %s", out)
	}
	out = ok(t, exitChanged, append([]string{"--exit-code"}, common...)...)
	if !strings.Contains(out, "pushed main@sha1:"+repo.Git("rev-parse", "main")) {
		t.Error(out)
	}
	if diff := cmp.Diff("clusters/web.yaml", repo.Git("diff", "--name-only", before, "main")); diff != "" {
		t.Error(diff)
	}
	if got := repo.Git("log", "-1", "--format=%an <%ae>|%s", "main"); !strings.HasPrefix(got, "Bot <bot@example.com>|org/app:1.0.0 -> "+reg.Host+"/org/app:1.1.0") {
		t.Error(got)
	}
	allowed := put(t, append([]byte("bot@example.com "), ssh.MarshalAuthorizedKey(public)...))
	repo.Git("-c", "gpg.ssh.allowedSignersFile="+allowed, "verify-commit", "main") // ends the test if it does not verify
	if out = ok(t, 0, append([]string{"--exit-code"}, common...)...); !strings.Contains(out, "nothing to change") {
		t.Error(out)
	}
}

// gitlabServer keeps merge requests as GitLab's API has them.
type gitlabServer struct {
	mu     sync.Mutex
	merges []map[string]any
}

func (g *gitlabServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.URL.EscapedPath() != "/api/v4/projects/org%2Ffleet/merge_requests" || r.Header.Get("Private-Token") != "t0ken" {
		http.Error(w, `{"message":"404 Project Not Found"}`, http.StatusNotFound)
		return
	}
	var answer any
	if r.Method == http.MethodPost {
		var in map[string]any
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			http.Error(w, "{}", http.StatusBadRequest)
			return
		}
		in["iid"], in["web_url"] = len(g.merges)+1, fmt.Sprintf("https://gitlab/%d", len(g.merges)+1)
		g.merges = append(g.merges, in)
		answer = in
	} else {
		found := []map[string]any{}
		for _, m := range g.merges {
			if m["source_branch"] == r.URL.Query().Get("source_branch") {
				found = append(found, m)
			}
		}
		answer = found
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func TestEachUpdateIsAPullRequest(t *testing.T) {
	reg := servers.NewRegistry(t, servers.RegistryOptions{})
	pushImage(t, reg, "org/app", time.Now(), "1.0.0", "1.1.0", "main-1")
	srv := gitserver.New(t, gitserver.Options{Username: "ann", Password: "s3cret"})
	repo := srv.Repo("fleet")
	repo.Commit(map[string]string{"policies.yaml": policies(reg.Host), "web.yaml": marked})
	forge := &gitlabServer{}
	api := httptest.NewServer(forge)
	t.Cleanup(api.Close)
	t.Setenv("GIT_USER", "ann")
	t.Setenv("GIT_PASSWORD", "s3cret")
	t.Setenv("FORGE_TOKEN", "t0ken")
	args := []string{
		"--insecure", reg.Host, "--store", t.TempDir(), "--push-branch", "image-updates/{{ .ID }}", "--message", "Update\n\n{{ range .Updated.Images }}- {{ . }}\n{{ end }}",
		"--pull-request", "gitlab", "--forge-url", api.URL, "--forge-repository", "org/fleet", repo.URL(),
	}
	before := repo.Git("rev-parse", "main")
	out := ok(t, 0, args...)
	if !strings.Contains(out, "pull request 1: https://gitlab/1") || len(forge.merges) != 1 || repo.Git("rev-parse", "main") != before {
		t.Fatalf("%v\n%s", forge.merges, out)
	}
	branch := forge.merges[0]["source_branch"].(string)
	tip := repo.Git("rev-parse", branch)
	if forge.merges[0]["title"] != "Update" || !strings.Contains(forge.merges[0]["description"].(string), "- "+reg.Host+"/org/app:1.1.0") || repo.Git("rev-parse", branch+"^") != before {
		t.Errorf("%v", forge.merges)
	}
	if out = ok(t, 0, args...); strings.Contains(out, "pushed ") || len(forge.merges) != 1 || repo.Git("rev-parse", branch) != tip {
		t.Errorf("the same update again: %v\n%s", forge.merges, out)
	}
	pushImage(t, reg, "org/app", time.Now(), "1.2.0")
	if ok(t, 0, args...); len(forge.merges) != 2 || forge.merges[1]["source_branch"] == branch {
		t.Errorf("another update: %v", forge.merges)
	}
	repo.Git("update-ref", "refs/heads/main", forge.merges[1]["source_branch"].(string)) // it is merged
	if out = ok(t, 0, args...); !strings.Contains(out, "nothing to change") || len(forge.merges) != 2 {
		t.Errorf("%v\n%s", forge.merges, out)
	}
}

// TestOnlyWhatCosignSignedIsWritten signs in the format that cosign documents.
func TestOnlyWhatCosignSignedIsWritten(t *testing.T) {
	reg := servers.NewRegistry(t, servers.RegistryOptions{})
	digest := pushImage(t, reg, "org/app", time.Now(), "1.1.0")
	pushImage(t, reg, "org/app", time.Now(), "1.2.0", "main-1")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	payload := fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":""},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, digest)
	sum := sha256.Sum256(payload)
	signature, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	image, err := mutate.Append(empty.Image, mutate.Addendum{
		Layer:       static.NewLayer(payload, "application/vnd.dev.cosign.simplesigning.v1+json"),
		Annotations: map[string]string{"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(signature)},
	})
	if err != nil {
		t.Fatal(err)
	}
	writeImage(t, reg, "org/app:"+strings.Replace(digest, ":", "-", 1)+".sig", image)
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public := put(t, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))

	folder := t.TempDir()
	for name, content := range map[string]string{"p.yaml": policies(reg.Host), "web.yaml": "image: x # {\"$imagepolicy\": \"flux-system:app\"}\n"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	code, out, errs := do(t, "--insecure", reg.Host, "--cosign-key", public, folder)
	if code != exitFailed || !strings.Contains(errs, "ImagePolicy flux-system:newest") || strings.Contains(errs, "flux-system:app") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	for _, part := range []string{"passed over 1.2.0: not signed by a trusted key", "so chosen: 1.1.0", "signed by: cosign key SHA256:"} {
		if !strings.Contains(out, part) {
			t.Errorf("does not say %q:\n%s", part, out)
		}
	}
	got, err := os.ReadFile(filepath.Join(folder, "web.yaml"))
	want := "image: " + reg.Host + "/org/app:1.1.0@" + digest + " # {\"$imagepolicy\": \"flux-system:app\"}\n"
	if err != nil || string(got) != want {
		t.Errorf("got %s, error %v", got, err)
	}
}

// TestOutrunPushKeepsBoth: a human pushes after the change was computed and before
// it arrives, to the same file.
func TestOutrunPushKeepsBoth(t *testing.T) {
	reg := servers.NewRegistry(t, servers.RegistryOptions{})
	pushImage(t, reg, "org/app", time.Now(), "1.1.0", "main-1")
	var once sync.Once
	var repo *gitserver.Repo
	var human string
	srv := gitserver.New(t, gitserver.Options{Wrap: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "git-receive-pack") {
				once.Do(func() {
					human = repo.Commit(map[string]string{"web.yaml": strings.Replace(marked, "a comment", "a better comment", 1)})
				})
			}
			next.ServeHTTP(w, r)
		})
	}})
	repo = srv.Repo("fleet")
	repo.Commit(map[string]string{"policies.yaml": policies(reg.Host), "web.yaml": marked})
	ok(t, 0, "--insecure", reg.Host, repo.URL())
	if got := repo.Git("rev-parse", "main^"); human == "" || got != human {
		t.Errorf("the update is on %s, the human pushed %q", got, human)
	}
	got := repo.Git("show", "main:web.yaml")
	if !strings.Contains(got, "# a better comment\n\nimage: "+reg.Host+"/org/app:1.1.0 #") {
		t.Errorf("not both changes: %s", got)
	}
}
