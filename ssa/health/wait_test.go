package health_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"

	"github.com/gitopskit/gitopskit/internal/testcluster"
	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa/health"
)

func TestMain(m *testing.M) { os.Exit(testcluster.MainWithoutLeaks(m)) }

var deployments = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}

type fixture struct {
	ns     string
	client dynamic.ResourceInterface
	waiter *health.Waiter
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	return newFixtureIn(t, testcluster.Shared(t))
}

func newFixtureIn(t *testing.T, c *testcluster.Cluster) *fixture {
	t.Helper()
	client, err := dynamic.NewForConfig(c.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	dc, err := discovery.NewDiscoveryClientForConfig(c.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	w, err := health.NewWaiter(c.RESTConfig(), restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(dc)))
	if err != nil {
		t.Fatal(err)
	}
	ns := c.Namespace(t)
	return &fixture{ns: ns, client: client.Resource(deployments).Namespace(ns), waiter: w}
}

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: "web:1"}]
`

func (f *fixture) create(t *testing.T, manifest string) inventory.Entry {
	t.Helper()
	u := object(t, manifest)
	u.SetNamespace(f.ns)
	if _, err := f.client.Create(t.Context(), u, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return f.entry(u.GetName())
}

func (f *fixture) entry(name string) inventory.Entry {
	return inventory.Entry{Ref: inventory.Ref{Group: "apps", Kind: "Deployment", Namespace: f.ns, Name: name}, Version: "v1"}
}

func TestWaitEndsWhenAllAreReady(t *testing.T) {
	f := newFixture(t)
	e := f.create(t, deployment)
	config := inventory.Entry{Ref: inventory.Ref{Kind: "ConfigMap", Namespace: f.ns, Name: "needs-no-look"}, Version: "v1"}
	seen, err := f.waiter.Wait(t.Context(), []inventory.Entry{e, config}, health.WaitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) != 2 || seen[0].Status != health.Current || seen[1].Status != health.Current {
		t.Errorf("%v", seen)
	}
}

// More than a few namespaces are watched at once.
func TestWaitForObjectsInManyNamespaces(t *testing.T) {
	f := newFixture(t)
	var entries []inventory.Entry
	for range 6 {
		ns := testcluster.Shared(t).Namespace(t)
		entries = append(entries, inventory.Entry{Ref: inventory.Ref{Kind: "ConfigMap", Namespace: ns, Name: "kube-root-ca.crt"}, Version: "v1"})
	}
	seen, err := f.waiter.Wait(t.Context(), entries, health.WaitOptions{ReadAll: true, Timeout: time.Minute})
	if err != nil || len(seen) != 6 {
		t.Errorf("%v, %v", seen, err)
	}
	entries[3].Name = "none"
	ctx, cancel := context.WithCancel(t.Context())
	told := 0
	var missing *health.WaitError
	if _, err = f.waiter.Wait(ctx, entries, health.WaitOptions{ReadAll: true, Timeout: time.Minute, OnChange: func(health.Observation) {
		if told++; told == len(entries) {
			cancel()
		}
	}}); !errors.As(err, &missing) || !errors.Is(err, context.Canceled) ||
		len(missing.Missing) != 1 || missing.Missing[0].Status != health.NotFound || missing.Missing[0].Ref != entries[3].Ref {
		t.Errorf("err = %v", err)
	}
}

// A reader may see a status where a kind has none by design.
func TestAReaderIsShownKindsWithoutAStatus(t *testing.T) {
	f := newFixture(t)
	config := inventory.Entry{Ref: inventory.Ref{Kind: "ConfigMap", Namespace: f.ns, Name: "kube-root-ca.crt"}, Version: "v1"}
	failed := func(*unstructured.Unstructured) health.Report {
		return health.Report{Status: health.Failed, Message: "as the reader says"}
	}
	seen, err := f.waiter.Wait(t.Context(), []inventory.Entry{config}, health.WaitOptions{Read: failed, FailFast: true})
	if err == nil || len(seen) != 1 || seen[0].Message != "as the reader says" {
		t.Errorf("%v, %v", seen, err)
	}
}

func TestWaitTellsWhatIsMissingDownToTheContainer(t *testing.T) {
	f := newFixture(t)
	broken := func(name, annotation, spec string) inventory.Entry {
		m := strings.NewReplacer("name: web}\nspec", "name: "+name+"}\nspec", "app: web", "app: "+name,
			"labels: {app: web}}\n    spec", "labels: {app: "+name+"}, annotations: {"+annotation+"}}\n    spec").Replace(deployment)
		return f.create(t, m+spec)
	}
	entries := []inventory.Entry{
		broken("crashes", "gitopskit.github.io/pod: crash-loop", ""),
		broken("pulls", "gitopskit.github.io/pod: image-pull", ""),
		broken("lost", "no: thing", "      nodeSelector: {no: node}\n"),
		f.entry("absent"),
	}
	// Until the pods are in trouble.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	complaints := map[string]bool{}
	_, _ = f.waiter.Wait(ctx, entries, health.WaitOptions{Explain: true, OnChange: func(o health.Observation) {
		if strings.Contains(o.Message, "BackOff") || strings.Contains(o.Message, "Unschedulable") {
			complaints[o.Ref.Name] = true
		}
		if len(complaints) == 3 {
			cancel()
		}
	}})
	_, err := f.waiter.Wait(t.Context(), entries, health.WaitOptions{Timeout: time.Second})
	var missing *health.WaitError
	if !errors.As(err, &missing) || !errors.Is(err, health.ErrTimeout) || errors.Is(err, context.DeadlineExceeded) || len(missing.Missing) != 4 {
		t.Fatalf("err = %v", err)
	}
	says := map[string]string{}
	for _, o := range missing.Missing {
		says[o.Ref.Name] = o.String()
	}
	for name, wants := range map[string][]string{
		"crashes": {"0 of 1 pods are available", "pod crashes-", "container web: CrashLoopBackOff"},
		"pulls":   {"pod pulls-", "container web: ImagePullBackOff"},
		"lost":    {"pod lost-", "Unschedulable", "nodes are available"},
		"absent":  {"absent: NotFound"},
	} {
		for _, want := range append(wants, "") {
			if !strings.Contains(says[name], want) || !strings.Contains(err.Error(), says[name]) {
				t.Errorf("the error does not say %q of %s:\n%v", want, name, err)
			}
		}
	}
	if !strings.Contains(err.Error(), "4 of 4") {
		t.Errorf("err = %v", err)
	}
}

func TestWaitFailsFastWhereAsked(t *testing.T) {
	f := newFixture(t)
	e := f.create(t, strings.Replace(deployment, "replicas: 1", "replicas: 1\n  progressDeadlineSeconds: 1", 1)[0:]+"      nodeSelector: {no: node}\n")
	started := time.Now()
	_, err := f.waiter.Wait(t.Context(), []inventory.Entry{e}, health.WaitOptions{FailFast: true, Timeout: time.Minute})
	if !errors.Is(err, health.ErrFailed) {
		t.Errorf("err = %v", err)
	}
	t.Logf("after %s: %v", time.Since(started), err)
}

func TestWaitIsStoppedByItsContextAndLeavesNothingRunning(t *testing.T) {
	f := newFixture(t)
	before := goleak.IgnoreCurrent()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := f.waiter.Wait(ctx, []inventory.Entry{f.entry("absent")}, health.WaitOptions{OnChange: func(health.Observation) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
	goleak.VerifyNone(t, before, goleak.IgnoreAnyFunction("golang.org/x/net/http2.(*clientConnReadLoop).run"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"), goleak.IgnoreAnyFunction("net/http/internal/http2.(*clientConnReadLoop).run"))
}

const finite = `
apiVersion: batch/v1
kind: Job
metadata: {name: migrate}
spec:
  ttlSecondsAfterFinished: 0
  template:
    spec: {restartPolicy: Never, containers: [{name: c, image: "c:1"}]}
`

func TestJobThatIsRemovedWhenItHasFinishedIsReady(t *testing.T) {
	f := newFixture(t)
	jobs := schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}
	client, err := dynamic.NewForConfig(testcluster.Shared(t).RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	job := object(t, finite)
	if _, err := client.Resource(jobs).Namespace(f.ns).Create(t.Context(), job, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	entry := inventory.Entry{Ref: inventory.Ref{Group: "batch", Kind: "Job", Namespace: f.ns, Name: "migrate"}, Version: "v1"}
	// Whether it is seen before it has gone, or not at all.
	mayBeGone := func(r inventory.Ref) bool { return r.Name == "migrate" }
	for range 2 {
		seen, err := f.waiter.Wait(t.Context(), []inventory.Entry{entry}, health.WaitOptions{MayBeGone: mayBeGone, Timeout: time.Minute})
		if err != nil || seen[0].Status != health.Current {
			t.Fatalf("%v, %v", seen, err)
		}
	}
	entry.Name = "never"
	if _, err := f.waiter.Wait(t.Context(), []inventory.Entry{entry}, health.WaitOptions{MayBeGone: mayBeGone, Timeout: time.Second}); !errors.Is(err, health.ErrTimeout) {
		t.Errorf("err = %v", err)
	}
}

func TestPodsAreLookedAtWhileWaiting(t *testing.T) {
	f := newFixture(t)
	e := f.create(t, deployment+"      nodeSelector: {no: node}\n")
	ctx, cancel := context.WithCancel(t.Context())
	var told string
	seen, err := f.waiter.Wait(ctx, []inventory.Entry{f.entry("absent"), e}, health.WaitOptions{Explain: true, OnChange: func(o health.Observation) {
		if strings.Contains(o.Message, "pod web-") {
			told = o.String()
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || !strings.Contains(told, "0 of 1 pods are available; pod web-") || !strings.Contains(told, "Unschedulable") {
		t.Errorf("told %q, err = %v", told, err)
	}
	if !strings.Contains(seen[1].Message, "pod web-") {
		t.Errorf("the observation at the end is %q, and %q was told", seen[1], told)
	}
}
