//go:build flagger

package health_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitopskit/gitopskit/internal/testcluster"
	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa/health"
)

// TestCanaryWithFlagger runs Flagger itself, for some minutes; the tag asks for it:
//
//	GITOPSKIT_FLAGGER=PROGRAM go test -tags=flagger -run=Flagger ./ssa/health
//
// PROGRAM is what 'go install github.com/fluxcd/flagger/cmd/flagger@v1.36.1' makes.
func TestCanaryWithFlagger(t *testing.T) {
	program := os.Getenv("GITOPSKIT_FLAGGER")
	if program == "" {
		t.Fatal("set GITOPSKIT_FLAGGER to Flagger's program")
	}
	c := testcluster.New(t)
	f := newCanaries(t, c)
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "-kubeconfig="+c.Kubeconfig(), "-mesh-provider=kubernetes", "-namespace="+f.ns, "-port=0")
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	}()
	wait := func(what string, want error) {
		t.Helper()
		started := time.Now()
		_, err := f.waiter.Wait(t.Context(), []inventory.Entry{f.entry()}, health.WaitOptions{FailFast: true, Timeout: 3 * time.Minute,
			OnChange: func(o health.Observation) { t.Logf("%s: %s", what, o) }})
		if !errors.Is(err, want) {
			t.Fatalf("%s: %v", what, err)
		}
		t.Logf("%s: after %s", what, time.Since(started).Round(time.Second))
	}
	f.make(deployments, "gitopskit", strings.Replace(deployment, "image: \"web:1\"", "image: \"web:1\", envFrom: [{configMapRef: {name: c}}]", 1))
	configs := schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	f.make(configs, "gitopskit", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {k: one}")
	f.make(canaryResource, "gitopskit", canaryManifest)
	wait("created", nil)

	promoted := func(what string) {
		t.Helper()
		wait(what, nil)
		if got, want := f.imageOf("web-primary"), f.imageOf("web"); got != want {
			t.Errorf("%s: ready, and %s runs instead of %s", what, got, want)
		}
	}
	f.image("gitopskit", "web", "web:2")
	promoted("changed")
	f.patch(deployments, "gitopskit", "web", `{"metadata":{"labels":{"a":"b"}}}`)
	promoted("label changed")
	f.patch(configs, "gitopskit", "c", `{"data":{"k":"two"}}`)
	promoted("ConfigMap changed")
	u, err := f.client.Resource(configs).Namespace(f.ns).Get(t.Context(), "c-primary", metav1.GetOptions{})
	if data, _ := u.MarshalJSON(); err != nil || !strings.Contains(string(data), `"k":"two"`) {
		t.Errorf("ready, and the primary's ConfigMap is %s, %v", data, err)
	}

	f.patch(canaryResource, "gitopskit", "web", `{"spec":{"analysis":{"webhooks":[{"name":"gate","type":"pre-rollout","url":"http://127.0.0.1:1/"}]}}}`)
	f.image("gitopskit", "web", "web:bad")
	wait("bad revision", health.ErrFailed)
	f.patch(canaryResource, "gitopskit", "web", `{"spec":{"analysis":{"webhooks":null}}}`)
	f.image("gitopskit", "web", "web:3")
	promoted("mended")
}
