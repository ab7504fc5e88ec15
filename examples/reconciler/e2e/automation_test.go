package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitopskit/gitopskit/internal/gitserver"
	"github.com/gitopskit/gitopskit/internal/servers"
)

var (
	imageRepos  = schema.GroupVersionResource{Group: "image.toolkit.fluxcd.io", Version: "v1", Resource: "imagerepositories"}
	imagePols   = schema.GroupVersionResource{Group: "image.toolkit.fluxcd.io", Version: "v1", Resource: "imagepolicies"}
	automations = schema.GroupVersionResource{Group: "image.toolkit.fluxcd.io", Version: "v1", Resource: "imageupdateautomations"}
)

// TestTutorialsImageAutomation applies the tutorial's objects as they are, but
// for the registry and the namespace: a tag that is pushed comes to run.
func TestTutorialsImageAutomation(t *testing.T) {
	manifest, err := os.ReadFile(shared(t, "tutorial", "image-automation.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	reg := servers.NewRegistry(t, servers.RegistryOptions{})
	name := reg.Host + "/stefanprodan/podinfo"
	pushTag(t, name+":6.0.0")
	pushTag(t, name+":7.0.0")
	s := newStage(t)
	repo := gitserver.New(t, gitserver.Options{}).Repo("fleet-infra")
	yaml := strings.NewReplacer("HOST/org/web", name, "1.0.0", "5.0.0", "flux-system:web", s.ns+":podinfo").Replace(webDeployment)
	first := repo.Commit(map[string]string{"clusters/my-cluster/web.yaml": yaml, "other/web.yaml": yaml})
	s.start()
	s.apply(fmt.Sprintf(`
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: fleet-infra, namespace: $NS}
spec: {interval: 1h, url: %q, ref: {branch: main}}`, repo.URL()))
	s.kustomization("./clusters/my-cluster")
	s.patch(kustomizations, "app", `{"spec":{"sourceRef":{"name":"fleet-infra"}}}`)
	s.isReady(first)
	s.apply(strings.NewReplacer("ghcr.io/stefanprodan/podinfo", name, "\nmetadata:\n", "\nmetadata:\n  namespace: $NS\n").Replace(string(manifest)))
	s.fails(imageRepos, "podinfo", "ReadOperationFailed", reg.Host, "HTTPS")
	s.patch(imageRepos, "podinfo", `{"spec":{"insecure":true}}`)

	s.eventually("6.0.0 runs", func() bool { return runningImage(s) == name+":6.0.0" })
	if got := repo.Git("log", "-1", "--format=%an <%ae> %s", "main"); got != "fluxbot <fluxbot@users.noreply.github.com> "+name+":6.0.0" {
		t.Errorf("the commit: %s", got)
	}
	if got := repo.Git("diff", "--name-only", first, "main"); got != "clusters/my-cluster/web.yaml" {
		t.Errorf("changed files: %s", got)
	}
	if got := s.field(imagePols, "podinfo", "status", "latestRef", "tag"); got != "6.0.0" {
		t.Errorf("latestRef.tag %s", got)
	}

	pushTag(t, name+":6.1.0")
	s.poke(imageRepos, "podinfo")
	s.eventually("6.1.0 runs", func() bool { return runningImage(s) == name+":6.1.0" })
	s.eventually("the status names the commit", func() bool {
		return s.field(automations, "podinfo", "status", "lastPushCommit") == repo.Git("rev-parse", "main") &&
			s.field(automations, "podinfo", "status", "observedPolicies", "podinfo", "tag") == "6.1.0"
	})

	// A restart changes nothing, and forgets nothing.
	s.kill()
	pushTag(t, name+":6.2.0")
	s.start()
	s.eventually("6.2.0 runs", func() bool { return runningImage(s) == name+":6.2.0" })
	if got := repo.Git("rev-list", "--count", first+"..main"); got != "3" {
		t.Errorf("%s commits, want 3", got)
	}

	s.patch(imagePols, "podinfo", `{"spec":{"policy":{"semver":{"range":"nonsense"}}}}`)
	s.fails(imagePols, "podinfo", "InvalidPolicy", "nonsense")
	s.patch(automations, "podinfo", `{"spec":{"git":{"commit":{"messageTemplate":"{{ .Nonsense"}}}}`)
	s.fails(automations, "podinfo", "InvalidTemplate", "template Message", "unclosed action")
}
