package release

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/action"
	helmrelease "helm.sh/helm/v3/pkg/release"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/gitopskit/gitopskit/internal/testcluster"
	"github.com/gitopskit/gitopskit/render/helm"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(child())
	}
	os.Exit(testcluster.Main(m))
}

func chartOf(t testing.TB, files map[string]string) *helm.Chart {
	t.Helper()
	fsys := fstest.MapFS{"Chart.yaml": {Data: []byte("apiVersion: v2\nname: c\nversion: 1.0.0\n")}}
	for name, content := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(content)}
	}
	c, err := helm.LoadFS(context.Background(), fsys, ".", helm.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// chart is one that can be made to fail in each phase by values.
func testChart(t testing.TB) *helm.Chart {
	return chartOf(t, map[string]string{
		"values.yaml": "v: one\nfailTemplate: false\nfailApply: false\nneverReady: false\nfailHook: ''\nfailTest: false\n",
		"templates/cm.yaml": `{{ if .Values.failTemplate }}{{ fail "told to fail" }}{{ end }}
apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}-cm"}
data: {v: {{ .Values.v | quote }}, extra: x}
`,
		"templates/apply.yaml": `{{ if .Values.failApply }}
apiVersion: v1
kind: Service
metadata: {name: "{{ .Release.Name }}-svc"}
spec: {type: ExternalName, ports: [{port: 99999}]}
{{ end }}`,
		"templates/deploy.yaml": `{{ if .Values.neverReady }}
apiVersion: apps/v1
kind: Deployment
metadata: {name: "{{ .Release.Name }}-d"}
spec:
  selector: {matchLabels: {a: b}}
  template: {metadata: {labels: {a: b}}, spec: {nodeSelector: {none: such}, containers: [{name: c, image: i}]}}
{{ end }}`,
		"templates/hook.yaml": `{{ range list "pre-install" "pre-upgrade" "pre-rollback" "pre-delete" }}{{ if eq $.Values.failHook . }}
---
apiVersion: v1
kind: Pod
metadata: {name: "{{ $.Release.Name }}-hook", annotations: {helm.sh/hook: {{ . }}}}
spec: {containers: [{name: "INVALID NAME", image: i}]}
{{ end }}{{ end }}`,
		"templates/endless.yaml": `{{ if .Values.endlessHook }}
apiVersion: {{ if eq .Values.endlessHook "Job" }}batch/v1{{ else }}v1{{ end }}
kind: {{ .Values.endlessHook }}
metadata: {name: "{{ .Release.Name }}-endless", annotations: {helm.sh/hook: pre-install}}
spec:
{{- if eq .Values.endlessHook "Job" }}
  template:
    spec: {restartPolicy: Never, nodeSelector: {none: such}, containers: [{name: c, image: i}]}
{{- else }}
  nodeSelector: {none: such}
  containers: [{name: c, image: i}]
{{- end }}
{{ end }}`,
		"templates/job.yaml": `{{ if .Values.jobHook }}
apiVersion: batch/v1
kind: Job
metadata: {name: "{{ .Release.Name }}-job", annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-delete-policy: before-hook-creation}}
spec:
  {{ if eq .Values.jobHook "bad" }}activeDeadlineSeconds: 1{{ end }}
  template:
    spec: {restartPolicy: Never, {{ if eq .Values.jobHook "bad" }}nodeSelector: {none: such}, {{ end }}containers: [{name: c, image: i}]}
{{ end }}`,
		"templates/tests/t.yaml": `
apiVersion: v1
kind: Pod
metadata: {name: "{{ .Release.Name }}-test", annotations: {helm.sh/hook: test, helm.sh/hook-delete-policy: before-hook-creation}}
spec: {restartPolicy: Never, containers: [{name: "{{ if .Values.failTest }}INVALID NAME{{ else }}c{{ end }}", image: i}]}
`,
	})
}

// fixture is a release in a namespace of its own, in a test that runs beside others.
type fixture struct {
	t    *testing.T
	m    *Machine
	core kubernetes.Interface
	s    Spec
	r    Record
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	t.Parallel()
	c := testcluster.Shared(t)
	m, err := New(Options{Config: c.RESTConfig()})
	if err != nil {
		t.Fatal(err)
	}
	core, err := kubernetes.NewForConfig(c.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{t: t, m: m, core: core, s: Spec{
		Name: "rel", Namespace: c.Namespace(t), Chart: testChart(t), Values: map[string]any{"v": "one"}, Timeout: 20 * time.Second,
		Install: Install{DisableOpenAPIValidation: true}, Upgrade: Upgrade{DisableOpenAPIValidation: true},
	}}
}

// reconcile runs once and checks which actions ran and what came of it.
func (f *fixture) reconcile(want string, state Status, errs ...error) Result {
	f.t.Helper()
	res, err := f.m.Reconcile(f.t.Context(), f.s, f.r)
	f.r = res.Record
	f.s.Force = false
	var ran []string
	for _, a := range res.Actions {
		ran = append(ran, string(a.Action))
	}
	if got := strings.Join(ran, " "); got != want {
		f.t.Fatalf("ran %q, want %q (state %s: %s)\n%v", got, want, res.State.Status, res.State.Reason, err)
	}
	if state != "" && res.State.Status != state {
		f.t.Errorf("state %s (%s), want %s", res.State.Status, res.State.Reason, state)
	}
	if len(errs) == 0 && err != nil {
		f.t.Fatal(err)
	}
	for _, e := range errs {
		if !errors.Is(err, e) {
			f.t.Errorf("error %v, want %v", err, e)
		}
	}
	return res
}

func (f *fixture) values(v map[string]any) { f.s.Values = v }

// deployed checks the live ConfigMap.
func (f *fixture) deployed(want string) {
	f.t.Helper()
	cm, err := f.core.CoreV1().ConfigMaps(f.s.Namespace).Get(f.t.Context(), f.s.Name+"-cm", metav1.GetOptions{})
	switch {
	case want == "" && apierrors.IsNotFound(err):
	case err != nil:
		f.t.Error(err)
	case cm.Data["v"] != want:
		f.t.Errorf("deployed %q, want %q", cm.Data["v"], want)
	}
}

// history checks the statuses in Helm's storage, the newest first.
func (f *fixture) history(want ...string) {
	f.t.Helper()
	infos, err := f.m.History(f.t.Context(), f.s.Namespace, f.s.Name)
	if err != nil {
		f.t.Fatal(err)
	}
	var got []string
	for _, i := range infos {
		got = append(got, i.Status)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		f.t.Errorf("storage: %s", diff)
	}
}

func TestInstallUpgradeAndNothing(t *testing.T) {
	f := newFixture(t)
	f.reconcile("install", InSync)
	f.deployed("one")
	f.reconcile("", InSync)
	f.values(map[string]any{"v": "two"})
	f.reconcile("upgrade", InSync)
	f.deployed("two")
	f.reconcile("", InSync)
	f.history("deployed", "superseded")
	f.s.Force = true
	f.reconcile("upgrade", InSync)
	if len(f.r.History) != 2 || f.r.History[0].Version != 3 || f.r.History[1].Status != "superseded" {
		t.Errorf("record %+v", f.r.History)
	}
}

func TestAFailureThatWroteNothingIsNotCounted(t *testing.T) {
	f := newFixture(t)
	f.values(map[string]any{"failTemplate": true})
	f.reconcile("install", Absent, ErrInstall, helm.ErrTemplate)
	if f.r.Failures != 0 || len(f.r.History) != 0 {
		t.Errorf("record %+v", f.r)
	}
	f.history()
	f.values(map[string]any{"v": "one"})
	f.reconcile("install", InSync)
	f.values(map[string]any{"failTemplate": true})
	f.reconcile("upgrade", OutOfSync, ErrUpgrade, helm.ErrTemplate)
	f.deployed("one")
	f.history("deployed")
}

func TestFailedInstallWithoutRetriesStalls(t *testing.T) {
	for name, values := range map[string]map[string]any{
		"by the API": {"failApply": true}, "in a hook": {"failHook": "pre-install"}, "while waiting": {"neverReady": true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.s.Timeout = 2 * time.Second
			f.values(values)
			f.reconcile("install", Failed, ErrInstall, ErrRetriesExceeded)
			f.history("failed")
			f.reconcile("", Failed, ErrRetriesExceeded)
			f.values(map[string]any{"v": "mended"})
			f.s.Timeout = 20 * time.Second
			f.reconcile("upgrade", InSync)
			f.deployed("mended")
		})
	}
}

func TestFailedInstallIsUninstalledAndRetried(t *testing.T) {
	f := newFixture(t)
	f.s.Install.Remediation.Retries = 1
	f.values(map[string]any{"failApply": true})
	if res := f.reconcile("install uninstall", "", ErrInstall); !res.Requeue {
		t.Error("no requeue after a remediation with retries left")
	}
	f.history()
	f.deployed("")
	f.reconcile("install", Failed, ErrInstall, ErrRetriesExceeded)
	if f.r.InstallFailures != 2 {
		t.Errorf("%d failures", f.r.InstallFailures)
	}
}

func TestFailedUpgradeIsRolledBack(t *testing.T) {
	for name, values := range map[string]map[string]any{
		"by the API": {"v": "two", "failApply": true}, "in a hook": {"v": "two", "failHook": "pre-upgrade"}, "while waiting": {"v": "two", "neverReady": true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.s.Upgrade.Remediation.Retries = 1
			f.reconcile("install", InSync)
			f.s.Timeout = 2 * time.Second
			f.values(values)
			if res := f.reconcile("upgrade rollback", "", ErrUpgrade); !res.Requeue {
				t.Error("no requeue")
			}
			f.deployed("one")
			f.history("deployed", "failed", "superseded")
			f.reconcile("upgrade rollback", "", ErrUpgrade)
			f.deployed("one")
			f.reconcile("", OutOfSync, ErrRetriesExceeded)
			f.s.Timeout = 20 * time.Second
			f.values(map[string]any{"v": "three"})
			f.reconcile("upgrade", InSync)
			f.deployed("three")
		})
	}
}

func TestFailedUpgradeRetryStrategy(t *testing.T) {
	f := newFixture(t)
	f.s.Upgrade.RetryOnFailure = true
	f.reconcile("install", InSync)
	f.values(map[string]any{"failApply": true})
	if res := f.reconcile("upgrade", Failed, ErrUpgrade); !res.Requeue {
		t.Error("no requeue")
	}
	f.reconcile("upgrade", Failed, ErrUpgrade)
	f.values(map[string]any{"v": "two"})
	f.reconcile("upgrade", InSync)
}

func TestFailedRollback(t *testing.T) {
	f := newFixture(t)
	f.s.Upgrade.Remediation.Retries = 1
	f.values(map[string]any{"failHook": "pre-rollback"})
	f.reconcile("install", InSync)
	f.values(map[string]any{"failApply": true})
	f.reconcile("upgrade rollback", "", ErrUpgrade, ErrRollback)
	f.history("failed", "failed", "deployed")
}

func TestNothingToRollBackTo(t *testing.T) {
	f := newFixture(t)
	f.s.Upgrade.Remediation.Retries = 1
	f.reconcile("install", InSync)
	f.r.History = nil // as if somebody else had installed it
	f.values(map[string]any{"failApply": true})
	f.reconcile("upgrade", Failed, ErrUpgrade, ErrMissingRollbackTarget)
}

func TestPendingReleaseIsUnlocked(t *testing.T) {
	f := newFixture(t)
	f.reconcile("install", InSync)
	op, err := f.m.operation(t.Context(), withStorage(f.s))
	if err != nil {
		t.Fatal(err)
	}
	rel, err := op.storage.last(t.Context(), f.s.Name)
	if err != nil {
		t.Fatal(err)
	}
	rel.Info.Status = helmrelease.StatusPendingUpgrade
	if err := op.cfg.Releases.Update(rel); err != nil {
		t.Fatal(err)
	}
	f.reconcile("unlock upgrade", InSync)
	f.history("deployed", "superseded")
}

func withStorage(s Spec) Spec {
	s.StorageNamespace = s.Namespace
	return s
}

func TestTests(t *testing.T) {
	f := newFixture(t)
	f.s.Test.Enable = true
	f.values(map[string]any{"failTest": true})
	f.reconcile("install test", Failed, ErrTest, ErrRetriesExceeded)
	if f.r.InstallFailures != 1 || f.r.Latest().TestHooks["rel-test"].Phase != "Failed" {
		t.Errorf("record %+v", f.r)
	}
	f.s.Test.IgnoreFailures = true
	f.s.Generation++
	f.reconcile("", InSync)
	f.s.Test.Exclude = []string{"rel-test"}
	f.values(map[string]any{"failTest": true, "v": "two"})
	f.reconcile("upgrade test", InSync)
	if !f.r.Latest().Tested {
		t.Error("a chart without tests is not tested")
	}
}

func TestDrift(t *testing.T) {
	f := newFixture(t)
	f.reconcile("install", InSync)
	cms := f.core.CoreV1().ConfigMaps(f.s.Namespace)
	change := func(patch string) {
		t.Helper()
		if _, err := cms.Patch(t.Context(), "rel-cm", types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "somebody"}); err != nil {
			t.Fatal(err)
		}
	}
	change(`{"data": {"v": "edited", "more": "kept"}}`)
	f.reconcile("", InSync)
	f.s.Drift.Mode = DriftWarn
	res := f.reconcile("", Drifted)
	if diff := cmp.Diff([]string{"/data/v"}, res.State.Drift[0].Fields); diff != "" {
		t.Error(diff)
	}
	f.s.Drift.Mode = DriftEnabled
	f.s.Drift.Ignore = []DriftIgnore{{Paths: []string{"/data/v"}, Target: &Target{Kind: "ConfigMap", Name: ".*-cm"}}}
	f.reconcile("", InSync)
	f.s.Drift.Ignore[0].Target.Name = "other"
	f.reconcile("correct", InSync)
	f.deployed("one")
	cm, err := cms.Get(t.Context(), "rel-cm", metav1.GetOptions{})
	if err != nil || cm.Data["more"] != "kept" {
		t.Errorf("a field of somebody else: %v, %v", cm.Data, err)
	}
	if err := cms.Delete(t.Context(), "rel-cm", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	f.reconcile("correct", InSync)
	f.deployed("one")
	change(`{"data": {"v": "edited"}, "metadata": {"annotations": {"` + driftOptOut + `": "disabled"}}}`)
	f.reconcile("", InSync)
	f.history("deployed")
}

func TestUninstall(t *testing.T) {
	f := newFixture(t)
	if _, err := f.m.Uninstall(t.Context(), f.s, f.r); err != nil {
		t.Errorf("an absent release: %v", err)
	}
	f.values(map[string]any{"failHook": "pre-delete"})
	f.reconcile("install", InSync)
	res, err := f.m.Uninstall(t.Context(), f.s, f.r)
	if !errors.Is(err, ErrUninstall) {
		t.Errorf("a failing hook: %v", err)
	}
	f.r = res.Record
	f.s.Uninstall.DisableHooks = true
	if res, err = f.m.Uninstall(t.Context(), f.s, f.r); err != nil || len(res.Record.History) != 0 {
		t.Errorf("%v, %+v", err, res.Record)
	}
	f.deployed("")
	f.history()
}

func TestUninstalledReleaseIsInstalled(t *testing.T) {
	f := newFixture(t)
	f.reconcile("install", InSync)
	f.s.Uninstall.KeepHistory = true
	res, err := f.m.Uninstall(t.Context(), f.s, f.r)
	if err != nil {
		t.Fatal(err)
	}
	f.r = res.Record
	f.history("uninstalled")
	f.reconcile("install", InSync)
	f.deployed("one")
}

func TestAMovedReleaseIsInstalledAnew(t *testing.T) {
	f := newFixture(t)
	f.reconcile("install", InSync)
	f.s.Name = "renamed"
	f.reconcile("uninstall install", InSync)
	f.deployed("one")
	if _, err := f.core.CoreV1().ConfigMaps(f.s.Namespace).Get(t.Context(), "rel-cm", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the old release is left: %v", err)
	}
}

func TestHelmReadsAndRollsBackWhatWeWrote(t *testing.T) {
	f := newFixture(t)
	f.reconcile("install", InSync)
	f.values(map[string]any{"v": "two"})
	f.reconcile("upgrade", InSync)
	op, err := f.m.operation(t.Context(), withStorage(f.s))
	if err != nil {
		t.Fatal(err)
	}
	cfg := &action.Configuration{}
	if err := cfg.Init(op.cfg.RESTClientGetter.(*getter), f.s.Namespace, "secret", func(string, ...any) {}); err != nil {
		t.Fatal(err)
	}
	list, err := action.NewList(cfg).Run()
	if err != nil || len(list) != 1 || list[0].Version != 2 || list[0].Config["v"] != "two" {
		t.Fatalf("helm ls: %v, %v", list, err)
	}
	revisions, err := action.NewHistory(cfg).Run(f.s.Name)
	if err != nil || len(revisions) != 2 {
		t.Fatalf("helm history: %v, %v", revisions, err)
	}
	back := action.NewRollback(cfg)
	back.Version = 1
	if err := back.Run(f.s.Name); err != nil {
		t.Fatalf("helm rollback: %v", err)
	}
	f.deployed("one")
	st, err := f.m.Observe(t.Context(), f.s, f.r)
	if err != nil || st.Status != Unmanaged {
		t.Fatalf("%+v, %v", st, err)
	}
	f.reconcile("upgrade", InSync)
	f.deployed("two")
}

func TestWeAdoptWhatHelmInstalled(t *testing.T) {
	f := newFixture(t)
	op, err := f.m.operation(t.Context(), withStorage(f.s))
	if err != nil {
		t.Fatal(err)
	}
	install := action.NewInstall(op.cfg)
	install.ReleaseName, install.Namespace = f.s.Name, f.s.Namespace
	if _, err := install.Run(f.s.Chart.Internal().Helm, map[string]any{"v": "helm"}); err != nil {
		t.Fatal(err)
	}
	f.reconcile("upgrade", InSync)
	f.deployed("one")
	f.history("deployed", "superseded")
}

// TestTakeOwnership: an object that somebody made without Helm stays theirs, unless it
// is asked for.
func TestTakeOwnership(t *testing.T) {
	f := newFixture(t)
	theirs := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "rel-cm"}, Data: map[string]string{"v": "theirs"}}
	if _, err := f.core.CoreV1().ConfigMaps(f.s.Namespace).Create(t.Context(), theirs, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	f.reconcile("install", Absent, ErrInstall)
	f.deployed("theirs")
	f.s.Install.TakeOwnership = true
	f.reconcile("install", InSync)
	f.deployed("one")
	if _, err := f.m.Uninstall(t.Context(), f.s, f.r); err != nil {
		t.Fatal(err)
	}
	f.deployed("")
}

func TestHistoryIsPruned(t *testing.T) {
	f := newFixture(t)
	f.s.MaxHistory = 2
	for i := range 4 {
		f.values(map[string]any{"v": fmt.Sprint(i)})
		f.reconcile(map[bool]string{true: "install", false: "upgrade"}[i == 0], InSync)
	}
	f.history("deployed", "superseded")
}

func TestPlan(t *testing.T) {
	f := newFixture(t)
	f.values(map[string]any{"v": "one", "failHook": "pre-upgrade"})
	p, err := f.m.Plan(t.Context(), f.s, f.r)
	if err != nil || p.Decision.Action != ActionInstall || len(p.Changes) != 1 || p.Changes[0].Verb != "create" {
		t.Fatalf("%+v, %v", p, err)
	}
	f.history()
	f.reconcile("install", InSync)
	if p, err = f.m.Plan(t.Context(), f.s, f.r); err != nil || p.Decision.Action != ActionNone || len(p.Changes) != 0 {
		t.Errorf("in sync: %+v, %v", p, err)
	}
	f.values(map[string]any{"v": "two", "failHook": "pre-upgrade", "neverReady": true})
	p, err = f.m.Plan(t.Context(), f.s, f.r)
	if err != nil {
		t.Fatal(err)
	}
	var verbs []string
	for _, c := range p.Changes {
		verbs = append(verbs, c.Verb+" "+c.Kind)
	}
	slices.Sort(verbs)
	if diff := cmp.Diff([]string{"create Deployment", "update ConfigMap"}, verbs); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"pre-upgrade Pod rel-hook"}, p.Hooks); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(p.Changes[0].Diff, "-  v: one\n+  v: two\n") {
		t.Errorf("diff:\n%s", p.Changes[0].Diff)
	}
	f.deployed("one")
}

func TestCRDs(t *testing.T) {
	crd := func(column string) string {
		return `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.release.example.com}
spec:
  group: release.example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget}
  versions: [{name: v1, served: true, storage: true, additionalPrinterColumns: [{name: ` + column + `, type: string, jsonPath: .x}], schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
`
	}
	f := newFixture(t)
	chart := func(column, version string) *helm.Chart {
		return chartOf(t, map[string]string{
			"Chart.yaml": "apiVersion: v2\nname: c\nversion: " + version + "\n", "crds/w.yaml": crd(column),
			"templates/w.yaml": "apiVersion: release.example.com/v1\nkind: Widget\nmetadata: {name: w}\nx: {{ .Chart.Version }}\n",
		})
	}
	column := func() string {
		raw, err := f.core.CoreV1().RESTClient().Get().AbsPath("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.release.example.com").DoRaw(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(raw), `"additionalPrinterColumns":[{"name":"`)
		name, _, _ := strings.Cut(rest, `"`)
		return name
	}
	f.s.Chart = chart("first", "1.0.0")
	f.reconcile("install", InSync)
	f.s.Chart = chart("second", "1.0.1")
	f.reconcile("upgrade", InSync)
	if got := column(); got != "first" {
		t.Errorf("Create replaced: %s", got)
	}
	f.s.Chart, f.s.Upgrade.CRDs = chart("third", "1.0.2"), CRDsCreateReplace
	f.reconcile("upgrade", InSync)
	if got := column(); got != "third" {
		t.Errorf("CreateReplace did not replace: %s", got)
	}
}

func TestPostRenderersReachTheCluster(t *testing.T) {
	f := newFixture(t)
	f.s.PostRender.OriginLabels = map[string]string{"helm.toolkit.fluxcd.io/name": "rel"}
	f.reconcile("install", InSync)
	cm, err := f.core.CoreV1().ConfigMaps(f.s.Namespace).Get(t.Context(), "rel-cm", metav1.GetOptions{})
	if err != nil || cm.Labels["helm.toolkit.fluxcd.io/name"] != "rel" || cm.Labels["app.kubernetes.io/managed-by"] != "Helm" {
		t.Errorf("labels %v, %v", cm.Labels, err)
	}
	f.s.PostRender.CommonLabels = map[string]string{"team": "blue"}
	f.reconcile("upgrade", InSync)
}

// TestContextEndsAnAction: the actions may take ten minutes, the test a few seconds.
func TestContextEndsAnAction(t *testing.T) {
	for name, values := range map[string]map[string]any{
		"while waiting": {"neverReady": true}, "in a hook that is a Pod": {"endlessHook": "Pod"}, "in a hook that is a Job": {"endlessHook": "Job"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.s.Timeout = 10 * time.Minute
			f.values(values)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			res, err := f.m.Reconcile(ctx, f.s, f.r)
			if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() == nil {
				t.Fatalf("got %v", err)
			}
			f.history("failed")
			f.r = res.Record
			f.s.Timeout = 20 * time.Second
			f.values(map[string]any{"v": "mended"})
			f.reconcile("upgrade", InSync)
		})
	}
}

func TestHooksAreWaitedFor(t *testing.T) {
	f := newFixture(t)
	f.values(map[string]any{"jobHook": "good"})
	f.reconcile("install", InSync)
	f.values(map[string]any{"jobHook": "bad"})
	res := f.reconcile("upgrade", Failed, ErrUpgrade, ErrRetriesExceeded)
	if err := res.Actions[0].Err; !strings.Contains(err.Error(), "job rel-job failed: DeadlineExceeded") {
		t.Errorf("the reason of the Job is missing: %v", err)
	}
	f.deployed("one")
}
