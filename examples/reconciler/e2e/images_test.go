package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitopskit/gitopskit/internal/gitserver"
	"github.com/gitopskit/gitopskit/internal/servers"
)

// TestPushedTagRollsOut pushes an image tag, and does nothing else: the example
// image-update commits it, and the reconciler rolls it out.
func TestPushedTagRollsOut(t *testing.T) {
	reg := servers.NewRegistry(t, servers.RegistryOptions{})
	pushTag(t, reg.Host+"/org/web:1.0.0")
	repo := gitserver.New(t, gitserver.Options{}).Repo("fleet")
	first := repo.Commit(map[string]string{
		"images/web.yaml": strings.ReplaceAll(webPolicy, "HOST", reg.Host),
		"deploy/web.yaml": strings.ReplaceAll(webDeployment, "HOST", reg.Host),
	})
	s := newStage(t)
	s.start()
	s.source(repo, "./deploy", "wait: true", "timeout: 1m")
	s.patch(gitRepos, "app", `{"spec":{"interval":"1s"}}`)
	s.isReady(first)
	if got := runningImage(s); got != reg.Host+"/org/web:1.0.0" {
		t.Fatalf("at first %s runs", got)
	}
	updateImages(t, "--insecure", reg.Host, "--path", "deploy", "--every", "200ms", "--author-name", "Robot", repo.URL())

	pushTag(t, reg.Host+"/org/web:1.1.0")
	s.eventually("1.1.0 is rolled out", func() bool { return runningImage(s) == reg.Host+"/org/web:1.1.0" })
	s.isReady(repo.Git("rev-parse", "main"))
	if got := repo.Git("log", "--format=%an", first+"..main"); got != "Robot" {
		t.Errorf("commits by %q, want one by Robot", got)
	}
	if got := repo.Git("diff", "--stat", "--format=", first, "main"); !strings.Contains(got, "1 insertion(+), 1 deletion(-)") {
		t.Errorf("more than the image changed: %s", got)
	}
}

const webPolicy = `apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {name: web, namespace: flux-system}
spec: {image: HOST/org/web, interval: 1m}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {name: web, namespace: flux-system}
spec:
  imageRepositoryRef: {name: web}
  policy: {semver: {range: 1.x}}
`

const webDeployment = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: HOST/org/web:1.0.0 # {"$imagepolicy": "flux-system:web"}
`

func pushTag(t *testing.T, ref string) {
	t.Helper()
	tag, err := name.NewTag(ref, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	image, err := random.Image(64, 1)
	if err == nil {
		err = remote.Write(tag, image)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// updateImages runs the example image-update until the test ends.
func updateImages(t *testing.T, args ...string) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "image-update")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../../image-update").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var mu sync.Mutex
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it tidies up
	cmd.WaitDelay = time.Minute
	cmd.Stdout = writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return out.Write(p)
	})
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Wait() // the test's context has ended it
		if mu.Lock(); t.Failed() {
			t.Logf("image-update:\n%s", tail(out.String(), 4000))
		}
		mu.Unlock()
	})
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// runningImage is that of the Deployment web if all of its pods have it.
func runningImage(s *stage) string {
	s.t.Helper()
	web := s.get(deployments, "web")
	if web == nil {
		return ""
	}
	number := func(path ...string) int64 {
		n, _, _ := unstructured.NestedInt64(web.Object, path...)
		return n
	}
	for _, field := range []string{"replicas", "updatedReplicas", "availableReplicas"} {
		if number("status", field) != number("spec", "replicas") {
			return ""
		}
	}
	containers := list(web, "spec", "template", "spec", "containers")
	if number("status", "observedGeneration") != web.GetGeneration() || len(containers) != 1 {
		return ""
	}
	image, _ := containers[0].(map[string]any)["image"].(string)
	return image
}
