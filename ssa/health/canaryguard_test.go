package health_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/gitopskit/gitopskit/internal/testcluster"
	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa/health"
)

const flaggerDefinition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: PLURAL.flagger.app}
spec:
  group: flagger.app
  scope: Namespaced
  names: {kind: KIND, plural: PLURAL, singular: SINGULAR}
  versions:
  - {name: v1beta1, served: true, storage: true, subresources: {status: {}}, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
`

const canaryManifest = `
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: web}
spec:
  provider: kubernetes
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  service: {port: 80}
  analysis: {interval: 10s, threshold: 1, iterations: 1}
`

// canaries is a namespace with a Canary named web and its Deployment.
type canaries struct {
	*fixture
	t      *testing.T
	client dynamic.Interface
}

var canaryResource = schema.GroupVersionResource{Group: "flagger.app", Version: "v1beta1", Resource: "canaries"}

func newCanaries(t *testing.T, c *testcluster.Cluster) *canaries {
	t.Helper()
	client, err := dynamic.NewForConfig(c.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	f := &canaries{fixture: newFixtureIn(t, c), t: t, client: client}
	crds := client.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	for kind, plural := range map[string]string{"Canary": "canaries", "MetricTemplate": "metrictemplates", "AlertProvider": "alertproviders"} {
		text := strings.NewReplacer("KIND", kind, "PLURAL", plural, "SINGULAR", strings.ToLower(kind)).Replace(flaggerDefinition)
		if _, err := crds.Create(t.Context(), object(t, text), metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
		f.eventually(plural+" are served", func() bool {
			gvr := canaryResource
			gvr.Resource = plural
			_, err := client.Resource(gvr).Namespace(f.ns).List(t.Context(), metav1.ListOptions{})
			return err == nil
		})
	}
	return f
}

func (f *canaries) eventually(what string, done func() bool) {
	f.t.Helper()
	limit := time.After(time.Minute)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-limit:
			f.t.Fatalf("not within a minute: %s", what)
		case <-tick.C:
		}
	}
}

func (f *canaries) make(gvr schema.GroupVersionResource, manager, manifest string) {
	f.t.Helper()
	u := object(f.t, manifest)
	u.SetNamespace(f.ns)
	if _, err := f.client.Resource(gvr).Namespace(f.ns).Create(f.t.Context(), u, metav1.CreateOptions{FieldManager: manager}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *canaries) patch(gvr schema.GroupVersionResource, manager, name, patch string, sub ...string) {
	f.t.Helper()
	opts := metav1.PatchOptions{FieldManager: manager}
	if _, err := f.client.Resource(gvr).Namespace(f.ns).Patch(f.t.Context(), name, types.MergePatchType, []byte(patch), opts, sub...); err != nil {
		f.t.Fatal(err)
	}
}

// image changes the image of a Deployment.
func (f *canaries) image(manager, name, image string) {
	f.t.Helper()
	patch := []byte(`{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"` + image + `"}]}}}}`)
	opts := metav1.PatchOptions{FieldManager: manager}
	if _, err := f.client.Resource(deployments).Namespace(f.ns).Patch(f.t.Context(), name, types.StrategicMergePatchType, patch, opts); err != nil {
		f.t.Fatal(err)
	}
}

// phase writes the Canary's status as Flagger does.
func (f *canaries) phase(phase, applied, promoted string) {
	f.t.Helper()
	f.patch(canaryResource, "flagger", "web", fmt.Sprintf(`{"status":{"phase":%q,"lastAppliedSpec":%q,"lastPromotedSpec":%q,"lastTransitionTime":%q}}`,
		phase, applied, promoted, time.Now().Format(time.RFC3339Nano)), "status")
}

func (f *canaries) entry() inventory.Entry {
	return inventory.Entry{Ref: inventory.Ref{Group: "flagger.app", Kind: "Canary", Namespace: f.ns, Name: "web"}, Version: "v1beta1"}
}

// wait waits for the Canary. Whenever a message has the next key's text, what it
// is to lead to is done.
func (f *canaries) wait(opts health.WaitOptions, steps ...step) error {
	f.t.Helper()
	said := make(chan string, 1000)
	opts.Timeout = time.Minute
	opts.OnChange = func(o health.Observation) { said <- o.Message }
	done := make(chan error, 1)
	go func() {
		_, err := f.waiter.Wait(f.t.Context(), []inventory.Entry{f.entry()}, opts)
		done <- err
	}()
	for {
		select {
		case err := <-done:
			if err == nil && len(steps) > 0 {
				f.t.Errorf("ready before it said %q", steps[0].said)
			}
			return err
		case message := <-said:
			if len(steps) > 0 && strings.Contains(message, steps[0].said) {
				steps[0].then()
				steps = steps[1:]
			}
		}
	}
}

type step struct {
	said string
	then func()
}

const unseenImage = "Flagger has not seen the change of spec.template.spec.containers[0].image"

func (f *canaries) mustWait(what string, steps ...step) {
	f.t.Helper()
	if err := f.wait(health.WaitOptions{FailFast: true}, steps...); err != nil {
		f.t.Fatalf("%s: %v", what, err)
	}
}

func TestCanaryIsReadyOnlyWhenFlaggerHasSeenTheChange(t *testing.T) {
	t.Parallel()
	f := newCanaries(t, testcluster.Shared(t))
	primary := strings.NewReplacer("name: web}", "name: web-primary}", "app: web", "app: web-primary").Replace(deployment)
	f.make(deployments, "gitopskit", deployment)
	f.make(deployments, "flagger", primary)
	f.make(canaryResource, "gitopskit", canaryManifest)
	f.phase("Initialized", "h1", "h1")
	f.mustWait("initialized")

	f.patch(deployments, "gitopskit", "web", `{"metadata":{"labels":{"a":"b"}},"spec":{"replicas":2}}`)
	f.mustWait("what Flagger does not analyse has changed")

	f.image("gitopskit", "web", "web:2")
	f.mustWait("the image has changed",
		step{unseenImage, func() { f.phase("Progressing", "h2", "h1") }},
		step{"phase Progressing", func() { f.image("flagger", "web-primary", "web:2"); f.phase("Succeeded", "h2", "h2") }})

	f.image("gitopskit", "web", "web:3")
	f.mustWait("the change is taken back, and nobody tells", step{unseenImage, func() { f.image("gitopskit", "web", "web:2") }})

	// Rolled back: the failure is that of the revision before, until Flagger has looked.
	f.image("gitopskit", "web", "web:bad")
	f.failAgain("h3")
	if err := f.wait(health.WaitOptions{FailFast: true}); !errors.Is(err, health.ErrFailed) || !strings.Contains(err.Error(), "rolled back") {
		t.Fatalf("rolled back: %v", err)
	}
	f.image("gitopskit", "web", "web:4")
	f.mustWait("the next revision mends it",
		step{"failed with an older revision", func() { f.failAgain("h4") }},
		step{"Flagger has seen the new one", func() { f.phase("Progressing", "h4", "h2") }},
		step{"phase Progressing", func() {
			f.image("flagger", "web-primary", f.imageOf("web"))
			f.phase("Succeeded", "h4", "h4")
		}})

	// A primary that can't be like its target is not waited for.
	f.eventually("a primary written after its target is believed", func() bool {
		f.patch(deployments, "flagger", "web-primary", fmt.Sprintf(`{"spec":{"template":{"metadata":{"annotations":{"flagger-id":"%d"}},"spec":{"hostname":"changed-by-admission"}}}}`, time.Now().UnixNano()))
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := f.waiter.Wait(ctx, []inventory.Entry{f.entry()}, health.WaitOptions{})
		return err == nil
	})

	// ConfigMaps that Flagger tracks.
	configs := schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	f.make(configs, "gitopskit", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {k: one}")
	f.patch(canaryResource, "flagger", "web", `{"status":{"trackedConfigs":{"configmap/c":"5f8a1c3b00000000"}}}`, "status")
	f.mustWait("a tracked ConfigMap has changed", step{"Flagger has not seen the change of configmap/c", func() {
		f.patch(configs, "gitopskit", "c", `{"metadata":{"annotations":{"flagger.app/config-tracking":"disabled"}}}`)
	}})
}

func (f *canaries) imageOf(name string) string {
	u, err := f.client.Resource(deployments).Namespace(f.ns).Get(f.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	text, _ := u.MarshalJSON()
	_, image, _ := strings.Cut(string(text), `"image":"`)
	image, _, _ = strings.Cut(image, `"`)
	return image
}

// failAgain writes that the Canary has failed, as Flagger does at each look,
// until that is later than the last change by a second of the API server's clock.
func (f *canaries) failAgain(applied string) {
	f.t.Helper()
	f.eventually("the failure is told", func() bool {
		f.phase("Failed", applied, "h2")
		return !f.failedWithOlder()
	})
}

// failedWithOlder reports whether the failure is said to be an older revision's.
func (f *canaries) failedWithOlder() bool {
	ctx, cancel := context.WithCancel(f.t.Context())
	defer cancel()
	older := false
	_, _ = f.waiter.Wait(ctx, []inventory.Entry{f.entry()}, health.WaitOptions{FailFast: true, OnChange: func(o health.Observation) {
		older = strings.Contains(o.Message, "older revision")
		cancel()
	}})
	return older
}
