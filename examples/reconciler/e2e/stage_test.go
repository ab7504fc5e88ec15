package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"sigs.k8s.io/yaml"

	"github.com/gitopskit/gitopskit/internal/gitserver"
	"github.com/gitopskit/gitopskit/internal/parts"
	"github.com/gitopskit/gitopskit/internal/testcluster"
)

var (
	configMaps     = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	secrets        = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	deployments    = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	gitRepos       = schema.GroupVersionResource{Group: "source.toolkit.fluxcd.io", Version: "v1", Resource: "gitrepositories"}
	kustomizations = schema.GroupVersionResource{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Resource: "kustomizations"}
)

// stage is a namespace of the shared cluster with a reconciler process that
// works in it alone.
type stage struct {
	t       *testing.T
	cluster *testcluster.Cluster
	cfg     *rest.Config
	client  dynamic.Interface
	mapper  meta.RESTMapper
	ns      string
	data    string // the reconciler's storage
	process *exec.Cmd
	exited  chan struct{} // closed when process has ended
	log     *logBuffer
}

// newStage lets the test run beside others: each has its namespace, storage and
// process.
func newStage(t *testing.T) *stage {
	t.Helper()
	t.Parallel()
	c := testcluster.Shared(t)
	cfg := c.RESTConfig()
	installDefinitions(t, cfg)
	client, err := dynamic.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	dc, err := discovery.NewDiscoveryClientForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &stage{
		t: t, cluster: c, cfg: cfg, client: client, ns: c.Namespace(t), data: t.TempDir(), log: &logBuffer{},
		mapper: restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(dc)),
	}
}

// start runs the reconciler until the test ends or it is killed.
func (s *stage) start(args ...string) {
	s.t.Helper()
	s.process = exec.Command(program, append([]string{
		"run", "--kubeconfig=" + s.cluster.Kubeconfig(), "--storage-path=" + s.data, "--storage-addr=127.0.0.1:0",
		"--metrics-addr=0", "--health-addr=0", "--receiver-addr=0", "--runtime-namespace=" + s.ns, "--watch-all-namespaces=false",
	}, args...)...)
	s.process.Stderr, s.process.Stdout = s.log, s.log
	s.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	process, exited := s.process, make(chan struct{})
	s.exited = exited
	go func() {
		defer close(exited)
		_ = process.Wait()
	}()
	s.t.Cleanup(func() {
		_ = process.Process.Kill()
		<-exited
		if s.t.Failed() {
			s.t.Logf("log of the reconciler:\n%s", tail(s.log.String(), 6000))
		}
	})
}

// kill ends the reconciler the hard way.
func (s *stage) kill() {
	s.t.Helper()
	if err := s.process.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	<-s.exited
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// apply creates or changes the objects of a manifest as kubectl would, with
// $NS replaced by the stage's namespace.
func (s *stage) apply(manifest string) {
	s.t.Helper()
	for doc := range strings.SplitSeq(strings.ReplaceAll(manifest, "$NS", s.ns), "\n---\n") {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(doc), &u.Object); err != nil {
			s.t.Fatal(err)
		}
		data, err := json.Marshal(u.Object)
		if err != nil {
			s.t.Fatal(err)
		}
		m, err := s.mapper.RESTMapping(u.GroupVersionKind().GroupKind(), u.GroupVersionKind().Version)
		if err != nil {
			s.t.Fatal(err)
		}
		force := true
		_, err = s.client.Resource(m.Resource).Namespace(u.GetNamespace()).Patch(s.t.Context(), u.GetName(), types.ApplyPatchType, data,
			metav1.PatchOptions{FieldManager: "test", Force: &force, FieldValidation: "Strict"})
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// source makes a GitRepository named app, and a Kustomization named app for a
// folder of it, with the reconcile interval of an hour. extra is added to the
// Kustomization's spec.
func (s *stage) source(repo *gitserver.Repo, path string, extra ...string) {
	s.t.Helper()
	s.apply(fmt.Sprintf(`
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: app, namespace: $NS}
spec: {interval: 1h, url: %q, ref: {branch: main}}`, repo.URL()))
	s.kustomization(path, extra...)
}

func (s *stage) kustomization(path string, extra ...string) {
	s.t.Helper()
	s.apply(fmt.Sprintf(`
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: app, namespace: $NS}
spec:
  interval: 1h
  retryInterval: 1h
  prune: true
  path: %q
  targetNamespace: $NS
  sourceRef: {kind: GitRepository, name: app}
  %s`, path, strings.Join(extra, "\n  ")))
}

// poke asks for a reconciliation, as 'flux reconcile' does.
func (s *stage) poke(gvr schema.GroupVersionResource, name string) {
	s.t.Helper()
	at := time.Now().Format(time.RFC3339Nano)
	s.patch(gvr, name, fmt.Sprintf(`{"metadata":{"annotations":{"reconcile.fluxcd.io/requestedAt":%q}}}`, at))
	s.eventually(name+" handles the request", func() bool {
		return s.field(gvr, name, "status", "lastHandledReconcileAt") == at
	})
}

// patch changes an object by hand.
func (s *stage) patch(gvr schema.GroupVersionResource, name, patch string) {
	s.t.Helper()
	s.patchAs("kubectl-edit", gvr, name, patch)
}

func (s *stage) patchAs(manager string, gvr schema.GroupVersionResource, name, patch string) {
	s.t.Helper()
	_, err := s.client.Resource(gvr).Namespace(s.ns).Patch(s.t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: manager})
	if err != nil {
		s.t.Fatal(err)
	}
}

// get reads an object of the stage's namespace; nil if there is none.
func (s *stage) get(gvr schema.GroupVersionResource, name string) *unstructured.Unstructured {
	s.t.Helper()
	u, err := s.client.Resource(gvr).Namespace(s.ns).Get(s.t.Context(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

func (s *stage) field(gvr schema.GroupVersionResource, name string, path ...string) string {
	s.t.Helper()
	u := s.get(gvr, name)
	if u == nil {
		return "(no object)"
	}
	text, ok, _ := unstructured.NestedString(u.Object, path...)
	if !ok {
		return "(none)"
	}
	return text
}

// ready returns status, reason and message of the Ready condition.
func (s *stage) ready(gvr schema.GroupVersionResource, name string) (status, reason, message string) {
	s.t.Helper()
	u := s.get(gvr, name)
	if u == nil {
		return "", "", ""
	}
	list, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range list {
		m := c.(map[string]any)
		if m["type"] == "Ready" && m["observedGeneration"] == u.GetGeneration() {
			return m["status"].(string), m["reason"].(string), m["message"].(string)
		}
	}
	return "", "", ""
}

// isReady waits until the Kustomization app is ready at a commit.
func (s *stage) isReady(commit string) {
	s.t.Helper()
	s.eventually("ready at "+commit, func() bool {
		status, _, _ := s.ready(kustomizations, "app")
		return status == "True" && strings.HasSuffix(s.field(kustomizations, "app", "status", "lastAppliedRevision"), commit)
	})
}

// fails waits until an object is not ready for a reason, and checks that the
// message says all that it should.
func (s *stage) fails(gvr schema.GroupVersionResource, name, reason string, says ...string) {
	s.t.Helper()
	var status, got, message string
	s.eventually(name+" fails with "+reason, func() bool {
		status, got, message = s.ready(gvr, name)
		return status == "False" && got == reason
	})
	for _, want := range says {
		if !strings.Contains(message, want) {
			s.t.Errorf("the message does not say %q:\n%s", want, message)
		}
	}
	s.t.Logf("%s: %s", reason, message)
}

// eventually waits until f reports true.
func (s *stage) eventually(what string, f func() bool) {
	s.t.Helper()
	deadline := time.After(60 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-deadline:
			for _, gvr := range []schema.GroupVersionResource{gitRepos, kustomizations} {
				status, reason, message := s.ready(gvr, "app")
				s.t.Logf("%s app: Ready=%s %s: %s", gvr.Resource, status, reason, message)
			}
			s.t.Fatalf("not within a minute: %s", what)
		case <-tick.C:
		}
	}
}

// shared returns a folder of the project's data, or skips the test.
func shared(t *testing.T, elements ...string) string {
	t.Helper()
	return filepath.Join(append([]string{parts.SharedData(t)}, elements...)...)
}

// files reads a folder, for Repo.Commit, below a prefix.
func files(t *testing.T, dir, prefix string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(p)
		rel, _ := filepath.Rel(dir, p)
		out[filepath.ToSlash(filepath.Join(prefix, rel))] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func list(u *unstructured.Unstructured, path ...string) []any {
	if u == nil {
		return nil
	}
	l, _, _ := unstructured.NestedSlice(u.Object, path...)
	return l
}
