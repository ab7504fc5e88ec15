package release

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/gitopskit/gitopskit/internal/parts"
	"github.com/gitopskit/gitopskit/internal/testcluster"
	"github.com/gitopskit/gitopskit/render/helm"
)

// newPodinfo is a release of the chart of podinfo.
func newPodinfo(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	c, err := helm.LoadFS(t.Context(), os.DirFS(parts.SharedData(t)), "podinfo/charts/podinfo", helm.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f.s.Chart, f.s.Name, f.s.Timeout = c, "podinfo", time.Minute
	f.values(map[string]any{"replicaCount": 1})
	return f
}

// podinfoValues are the chart's, with those that make one phase fail.
func podinfoValues(more map[string]any) map[string]any {
	out := map[string]any{"replicaCount": 1}
	maps.Copy(out, more)
	return out
}

var (
	// Of two replicas one may be missing, and it is one then.
	noSuchNode  = map[string]any{"replicaCount": 2, "nodeSelector": map[string]any{"none": "such"}}
	noTemplate  = map[string]any{"ingress": map[string]any{"enabled": true, "hosts": "not a list"}}
	refusedType = map[string]any{"service": map[string]any{"type": "Refused"}}
)

// badHook turns on a hook's Job that the API refuses.
func badHook(name string) map[string]any {
	return map[string]any{
		"image": map[string]any{"pullPolicy": "Refused"},
		"hooks": map[string]any{name: map[string]any{"job": map[string]any{"enabled": true}}},
	}
}

func TestPodinfoIsInstalledUpgradedAndRemoved(t *testing.T) {
	f := newPodinfo(t)
	f.values(podinfoValues(map[string]any{"hooks": map[string]any{"postInstall": map[string]any{"job": map[string]any{"enabled": true}}}}))
	f.reconcile("install", InSync)
	f.values(map[string]any{"replicaCount": 2, "redis": map[string]any{"enabled": true}})
	f.reconcile("upgrade", InSync)
	// Helm waits until enough are ready; those of before may still be there.
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		d, err := f.core.AppsV1().Deployments(f.s.Namespace).Get(ctx, "podinfo", metav1.GetOptions{})
		return err == nil && d.Status.AvailableReplicas == 2, err
	})
	if err != nil {
		t.Errorf("two replicas are wanted: %v", err)
	}
	if _, err := f.m.Uninstall(t.Context(), f.s, f.r); err != nil {
		t.Error(err)
	}
}

// TestPodinfoInstallFails in each phase of an install, and is mended by good values.
func TestPodinfoInstallFails(t *testing.T) {
	for name, tc := range map[string]struct {
		values  map[string]any
		timeout time.Duration
		state   Status
		errs    []error
		history []string
		mended  string
	}{
		"in a template":         {noTemplate, time.Minute, Absent, []error{ErrInstall, helm.ErrTemplate}, nil, "install"},
		"by what the API finds": {refusedType, time.Minute, Failed, []error{ErrInstall, ErrRetriesExceeded}, []string{"failed"}, "upgrade"},
		"in a hook":             {badHook("preInstall"), time.Minute, Failed, []error{ErrInstall, ErrRetriesExceeded}, []string{"failed"}, "upgrade"},
		"while waiting":         {noSuchNode, 2 * time.Second, Failed, []error{ErrInstall, ErrRetriesExceeded}, []string{"failed"}, "upgrade"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newPodinfo(t)
			f.s.Timeout = tc.timeout
			f.values(podinfoValues(tc.values))
			f.reconcile("install", tc.state, tc.errs...)
			f.history(tc.history...)
			f.s.Timeout = time.Minute
			f.values(podinfoValues(nil))
			f.reconcile(tc.mended, InSync)
		})
	}
}

// TestPodinfoUpgradeFails in each phase of an upgrade, and is rolled back.
func TestPodinfoUpgradeFails(t *testing.T) {
	for name, tc := range map[string]struct {
		values  map[string]any
		timeout time.Duration
		ran     string
		history []string
	}{
		"in a template":         {noTemplate, time.Minute, "upgrade", []string{"deployed"}},
		"by what the API finds": {refusedType, time.Minute, "upgrade rollback", []string{"deployed", "failed", "superseded"}},
		"in a hook":             {badHook("preUpgrade"), time.Minute, "upgrade rollback", []string{"deployed", "failed", "superseded"}},
		"while waiting":         {noSuchNode, 2 * time.Second, "upgrade rollback", []string{"deployed", "failed", "superseded"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newPodinfo(t)
			f.s.Upgrade.Remediation.Retries = 1
			f.s.Rollback.DisableWait, f.s.Rollback.DisableWaitForJobs = true, true // the time is the upgrade's
			f.reconcile("install", InSync)
			f.s.Timeout = tc.timeout
			f.values(podinfoValues(tc.values))
			f.reconcile(tc.ran, "", ErrUpgrade)
			f.history(tc.history...)
			d, err := f.core.AppsV1().Deployments(f.s.Namespace).Get(t.Context(), "podinfo", metav1.GetOptions{})
			if err != nil || len(d.Spec.Template.Spec.NodeSelector) > 0 || d.Spec.Template.Spec.Containers[0].ImagePullPolicy != "IfNotPresent" {
				t.Errorf("not as it was: %v, %v", d.Spec.Template.Spec, err)
			}
		})
	}
}

// TestPodinfoRollbackFails: what was installed without waiting never becomes ready, so
// that going back to it does not either.
func TestPodinfoRollbackFails(t *testing.T) {
	f := newPodinfo(t)
	f.s.Install.DisableWait, f.s.Upgrade.Remediation.Retries = true, 1
	f.values(podinfoValues(noSuchNode))
	f.reconcile("install", InSync)
	f.s.Timeout = 2 * time.Second
	f.values(podinfoValues(refusedType))
	f.reconcile("upgrade rollback", "", ErrUpgrade, ErrRollback)
	f.history("failed", "failed", "deployed")
}

// TestPodinfoTestsFail: the namespace refuses Pods like those of the tests.
func TestPodinfoTestsFail(t *testing.T) {
	f := newPodinfo(t)
	f.s.Upgrade.Remediation.Retries = 1
	f.reconcile("install", InSync)
	_, err := f.core.CoreV1().Namespaces().Patch(t.Context(), f.s.Namespace, types.MergePatchType,
		[]byte(`{"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	f.m, err = New(Options{Config: testcluster.Shared(t).RESTConfig(), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	f.s.Test.Enable, f.s.Upgrade.DisableWait, f.s.Rollback.DisableWait = true, true, true
	f.values(podinfoValues(map[string]any{"logLevel": "debug"}))
	res := f.reconcile("upgrade test rollback", "", ErrTest)
	if !res.Requeue || f.r.UpgradeFailures != 1 {
		t.Errorf("%d failures, requeue %v", f.r.UpgradeFailures, res.Requeue)
	}
	f.history("deployed", "superseded", "superseded")
	if !strings.Contains(log.String(), "would violate PodSecurity") {
		t.Errorf("the API server's warnings are not in the log: %s", log.String())
	}
}

// TestPodinfoUninstallFails: somebody holds an object by a finalizer; without it, the
// next attempt ends what the first began.
func TestPodinfoUninstallFails(t *testing.T) {
	f := newPodinfo(t)
	f.reconcile("install", InSync)
	services := f.core.CoreV1().Services(f.s.Namespace)
	patch := func(body string) {
		t.Helper()
		if _, err := services.Patch(t.Context(), "podinfo", types.MergePatchType, []byte(body), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	patch(`{"metadata": {"finalizers": ["example.com/hold"]}}`)
	f.s.Timeout = 2 * time.Second
	res, err := f.m.Uninstall(t.Context(), f.s, f.r)
	if !errors.Is(err, ErrUninstall) {
		t.Fatalf("uninstalled what is held: %v", err)
	}
	f.r = res.Record
	patch(`{"metadata": {"finalizers": null}}`)
	f.s.Timeout = time.Minute
	if _, err := f.m.Uninstall(t.Context(), f.s, f.r); err != nil {
		t.Error(err)
	}
	f.history()
	left, err := services.List(t.Context(), metav1.ListOptions{})
	if err != nil || slices.ContainsFunc(left.Items, func(s corev1.Service) bool { return s.Name == "podinfo" }) {
		t.Errorf("left %v, %v", left, err)
	}
}
