package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/gitopskit/gitopskit/internal/gitserver"
	"github.com/gitopskit/gitopskit/internal/servers"
)

// do runs the program.
func do(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, &o, &e)
	return code, o.String(), e.String()
}

// ok runs the program, which must exit with a code.
func ok(t *testing.T, want int, args ...string) string {
	t.Helper()
	code, out, errs := do(t, args...)
	if code != want {
		t.Fatalf("image-update %v: exit code %d, want %d\n%s%s", args, code, want, out, errs)
	}
	return out
}

// pushImage puts an image into a registry under some tags, and returns its digest.
func pushImage(t *testing.T, reg *servers.Registry, path string, created time.Time, tags ...string) string {
	t.Helper()
	image, err := random.Image(64, 1)
	if err == nil {
		image, err = mutate.CreatedAt(image, v1.Time{Time: created})
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range tags {
		writeImage(t, reg, path+":"+tag, image)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest.String()
}

func writeImage(t *testing.T, reg *servers.Registry, ref string, image v1.Image) {
	t.Helper()
	tag, err := name.NewTag(reg.Host+"/"+ref, name.Insecure)
	if err == nil {
		err = remote.Write(tag, image, remote.WithAuth(&authn.Basic{Username: "ann", Password: "s3cret"}))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// policies are the objects for some images of a registry.
func policies(host string) string {
	return strings.ReplaceAll(`apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {name: app, namespace: flux-system}
spec: {image: HOST/org/app, interval: 1m}
---
apiVersion: image.toolkit.fluxcd.io/v1beta2
kind: ImagePolicy
metadata: {name: app, namespace: flux-system}
spec:
  imageRepositoryRef: {name: app}
  policy: {semver: {range: 1.x}}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {name: newest}
spec:
  imageRepositoryRef: {name: app}
  filterTags: {pattern: "^main-"}
  digestReflectionPolicy: Always
  policy: {newest: {}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: other}
spec: {policy: these fields mean something else}
`, "HOST", host)
}

const marked = `# a comment

image: org/app:1.0.0 # {"$imagepolicy": "flux-system:app"}
digest: "" # {"$imagepolicy": "flux-system:newest:digest"}
`

func TestFolder(t *testing.T) {
	reg := servers.NewRegistry(t, servers.RegistryOptions{Username: "ann", Password: "s3cret"})
	t.Setenv("REGISTRY_USER", "ann")
	t.Setenv("REGISTRY_PASSWORD", "s3cret")
	pushImage(t, reg, "org/app", time.Now(), "1.0.0", "1.1.0", "2.0.0")
	pushImage(t, reg, "org/app", time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), "main-z")
	digest := pushImage(t, reg, "org/app", time.Date(2024, 1, 2, 0, 0, 0, 0, time.UTC), "main-a")
	folder := t.TempDir()
	file := filepath.Join(folder, "apps", "web.yaml")
	for name, content := range map[string]string{filepath.Join(folder, "policies.yaml"): policies(reg.Host), file: marked} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := strings.Replace(strings.Replace(marked, "org/app:1.0.0", reg.Host+"/org/app:1.1.0", 1), `digest: ""`, `digest: "`+digest+`"`, 1)

	out := ok(t, exitChanged, "--insecure", reg.Host, "--dry-run", "--exit-code", folder)
	for _, part := range []string{
		"== flux-system:app: " + reg.Host + "/org/app\npolicy: semver \"1.x\"\nchosen: 1.1.0, of 2 eligible of 5 tags\nover: 1.0.0\n",
		"chosen: main-a, of 2 eligible", "ranked by: 2024-01-02T00:00:00Z", "digest: " + digest,
		"--- a/apps/web.yaml\n+++ b/apps/web.yaml\n@@", "-image: org/app:1.0.0 #", "+image: " + reg.Host + "/org/app:1.1.0 #",
	} {
		if !strings.Contains(out, part) {
			t.Errorf("the dry run does not say %q:\n%s", part, out)
		}
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != marked {
		t.Fatalf("a dry run wrote %q, error %v", got, err)
	}
	store := t.TempDir()
	for range 2 {
		if out := ok(t, 0, "--insecure", reg.Host, "--soak", "1h", "--store", store, "--exit-code", folder); !strings.Contains(out, "== flux-system:app waits: ") {
			t.Error(out)
		}
	}
	if out := ok(t, 0, "--insecure", reg.Host, "--path", "apps", "--quiet", folder); strings.Contains(out, "chosen") || !strings.Contains(out, "web.yaml:3:") {
		t.Error(out)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != want {
		t.Errorf("error %v\n%s", err, cmp.Diff(want, string(got)))
	}
	if out := ok(t, 0, "--insecure", reg.Host, "--exit-code", "--policies", filepath.Join(folder, "policies.yaml"), filepath.Join(folder, "apps")); !strings.Contains(out, "nothing to change") {
		t.Error(out)
	}
}

func TestUsage(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("s3cret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"help":                       {[]string{"--help"}, 0, "Exit codes:"},
		"no target":                  {nil, exitUsage, "give one TARGET"},
		"an unknown flag":            {[]string{"--nope", "."}, exitUsage, "--help"},
		"soak without a store":       {[]string{"--soak", "1h", "."}, exitUsage, "--store"},
		"a message for a folder":     {[]string{"--message", "x", "."}, exitUsage, "is a folder"},
		"a request without a branch": {[]string{"--pull-request", "github", "https://x/y"}, exitUsage, "--push-branch"},
		"a forge that is none":       {[]string{"--pull-request", "x", "--push-branch", "b", "--forge-repository", "a/b", "https://x/y"}, exitFailed, "none of github"},
		"a key that is none":         {[]string{"--cosign-key", key, "."}, exitFailed, key},
		"a folder without policies":  {[]string{t.TempDir()}, exitFailed, "no ImagePolicy"},
		"no such folder":             {[]string{"/does/not/exist"}, exitFailed, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := do(t, c.args...)
			if code != c.code || !strings.Contains(out+errs, c.says) || strings.Contains(errs, "s3cret") {
				t.Errorf("exit code %d, want %d and %q\n%s%s", code, c.code, c.says, out, errs)
			}
			if left, err := filepath.Glob(filepath.Join(temporary, "image-update-*")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %q, error %v", left, err)
			}
		})
	}
}

func TestBadPoliciesSayWhich(t *testing.T) {
	folder := t.TempDir()
	bad := strings.Replace(policies("ghcr.io"), "1.x", "1x", 1)
	bad = strings.Replace(bad, "imageRepositoryRef: {name: app}\n  filterTags", "imageRepositoryRef: {name: gone}\n  filterTags", 1)
	if err := os.WriteFile(filepath.Join(folder, "p.yaml"), []byte(bad), 0o644); err != nil {
		t.Fatal(err)
	}
	_, _, errs := do(t, folder)
	for _, part := range []string{`ImagePolicy flux-system:app: imagepolicy: new: Range "1x"`, "ImagePolicy flux-system:newest: there is no ImageRepository flux-system:gone"} {
		if !strings.Contains(errs, part) {
			t.Errorf("does not say %q: %s", part, errs)
		}
	}
}

// TestUpdatersAndAHumanLoseNothing lets two updaters, each with images of its own,
// and a human push to one branch at the same time.
func TestUpdatersAndAHumanLoseNothing(t *testing.T) {
	reg := servers.NewRegistry(t, servers.RegistryOptions{})
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("fleet")
	const rounds = 6
	pushImage(t, reg, "org/app", time.Now(), "main-1", "1.0.0")
	repo.Commit(map[string]string{"readme": "", "app.yaml": marked, "web.yaml": strings.ReplaceAll(marked, "flux-system", "web-system")})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan string, 2)
	for _, team := range []string{"flux-system", "web-system"} {
		file := filepath.Join(t.TempDir(), "policies.yaml")
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(policies(reg.Host), "flux-system", team)), 0o644); err != nil {
			t.Fatal(err)
		}
		go func() {
			var out bytes.Buffer
			run(ctx, []string{"--insecure", reg.Host, "--namespace", team, "--policies", file, "--every", "1ms", repo.URL()}, &out, &out)
			ended <- out.String()
		}()
	}
	human := newHuman(t, repo.URL())
	var last string
	for n := range rounds {
		last = "1." + strings.Repeat("1", n+1) + ".0"
		pushImage(t, reg, "org/app", time.Now(), last)
		human.commit("human-" + last)
		for human.git("push", "--quiet", "origin", "HEAD:main") != nil {
			if err := human.git("pull", "--quiet", "--rebase", "origin", "main"); err != nil {
				t.Fatal(err)
			}
		}
	}
	wanted := reg.Host + "/org/app:" + last
	waitFor(t, "both updaters wrote "+last, func() bool {
		return strings.Contains(repo.Git("show", "main:app.yaml"), wanted) && strings.Contains(repo.Git("show", "main:web.yaml"), wanted)
	})
	cancel()
	for range 2 {
		if out := <-ended; !strings.Contains(out, "\npushed ") {
			t.Errorf("an updater pushed nothing:\n%s", out)
		}
	}
	files := repo.Git("ls-tree", "--name-only", "main")
	for n := range rounds {
		if name := "human-1." + strings.Repeat("1", n+1) + ".0"; !strings.Contains(files, name) {
			t.Errorf("%s was lost", name)
		}
	}
	if merges := repo.Git("log", "--merges", "--oneline", "main"); merges != "" {
		t.Errorf("the history is not linear: %s", merges)
	}
}

// human works with git alone.
type human struct {
	t   *testing.T
	dir string
}

func newHuman(t *testing.T, url string) *human {
	t.Helper()
	h := &human{t, t.TempDir()}
	if err := h.git("clone", "--quiet", url, "."); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *human) git(args ...string) error {
	cmd := exec.CommandContext(h.t.Context(), "git", args...)
	cmd.Dir = h.dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull,
		"GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=a@b")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("git %v: %w\n%s", args, err, out)
	}
	return nil
}

func (h *human) commit(file string) {
	h.t.Helper()
	err := os.WriteFile(filepath.Join(h.dir, file), []byte("by hand"), 0o644)
	err = errors.Join(err, h.git("add", "."), h.git("commit", "--quiet", "-m", "by hand"))
	if err != nil {
		h.t.Fatal(err)
	}
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("not so within a minute: %s", what)
		}
	}
}
