package release

import (
	"testing"

	helmrelease "helm.sh/helm/v3/pkg/release"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitopskit/gitopskit/render/helm"
	"github.com/gitopskit/gitopskit/render/kustomize"
)

// TestEveryRowOfTheStateTable brings a release into each state of the table, on a
// real API server, and tells what must come of it.
func TestEveryRowOfTheStateTable(t *testing.T) {
	for name, scenario := range map[string]func(f *fixture){
		"none: installed": func(f *fixture) { f.reconcile("install", InSync) },
		"pending: unlocked, then upgraded": func(f *fixture) {
			f.reconcile("install", InSync)
			f.setStatus(helmrelease.StatusPendingRollback)
			f.reconcile("unlock upgrade", InSync)
		},
		"no history: upgraded": func(f *fixture) {
			f.reconcile("install", InSync)
			f.r = Record{}
			f.reconcile("upgrade", InSync)
		},
		"another digest: upgraded": func(f *fixture) {
			f.reconcile("install", InSync)
			f.setDescription("changed by somebody else")
			f.reconcile("upgrade", InSync)
		},
		"failed install: uninstalled": func(f *fixture) {
			f.s.Install.Remediation.Retries = 1
			f.values(map[string]any{"failApply": true})
			f.reconcile("install uninstall", "", ErrInstall)
		},
		"failed upgrade: rolled back": func(f *fixture) {
			f.s.Upgrade.Remediation.Retries = 1
			f.reconcile("install", InSync)
			f.values(map[string]any{"failApply": true})
			f.reconcile("upgrade rollback", "", ErrUpgrade)
			f.deployed("one")
		},
		"failed upgrade, strategy uninstall: uninstalled": func(f *fixture) {
			f.s.Upgrade.Remediation.Retries, f.s.Upgrade.RemediateByUninstall = 1, true
			f.reconcile("install", InSync)
			f.values(map[string]any{"failApply": true})
			f.reconcile("upgrade uninstall", "", ErrUpgrade)
			f.deployed("")
			f.history()
		},
		"failed tests of an upgrade: rolled back": func(f *fixture) {
			f.s.Upgrade.Remediation.Retries, f.s.Test.Enable, f.s.Test.Exclude = 1, true, []string{"rel-test"}
			f.reconcile("install test", InSync)
			f.s.Test.Exclude = nil
			f.values(map[string]any{"failTest": true, "v": "two"})
			f.reconcile("upgrade test rollback", "", ErrTest)
			f.deployed("one")
		},
		"failed, strategy retry: upgraded each time": func(f *fixture) {
			f.s.Install.RetryOnFailure = true
			f.values(map[string]any{"failApply": true})
			if res := f.reconcile("install", Failed, ErrInstall); !res.Requeue {
				f.t.Error("no requeue")
			}
			f.reconcile("upgrade", Failed, ErrUpgrade)
			f.values(nil)
			f.reconcile("upgrade", InSync)
		},
		"failed, no failures counted: upgraded": func(f *fixture) {
			f.failInstall()
			f.s.Generation++ // resets the counters
			f.reconcile("upgrade", Failed, ErrUpgrade, ErrRetriesExceeded)
		},
		"failed, forced: upgraded": func(f *fixture) {
			f.failInstall()
			f.s.Force = true
			f.reconcile("upgrade", Failed, ErrUpgrade, ErrRetriesExceeded)
		},
		"failed, retries exceeded: stalled": func(f *fixture) {
			f.failInstall()
			f.reconcile("", Failed, ErrRetriesExceeded)
		},
		"failed, retries exceeded, the last failure is remediated too: uninstalled": func(f *fixture) {
			f.s.Install.Remediation.RemediateLastFailure = yes(true)
			f.values(map[string]any{"failApply": true})
			f.reconcile("install uninstall", "", ErrInstall)
			f.reconcile("", Absent, ErrRetriesExceeded)
		},
		"failed, nothing to roll back to: stalled": func(f *fixture) {
			f.s.Upgrade.Remediation.Retries = 1
			f.failInstall()
			f.s.Generation++
			f.reconcile("upgrade", Failed, ErrUpgrade, ErrMissingRollbackTarget)
		},
		"uninstalled: installed": func(f *fixture) {
			f.reconcile("install", InSync)
			f.setStatus(helmrelease.StatusUninstalled)
			f.r = Record{}
			f.reconcile("install", InSync)
		},
		"another chart: upgraded": func(f *fixture) {
			f.reconcile("install", InSync)
			f.s.Chart = chartOf(f.t, map[string]string{
				"Chart.yaml":        "apiVersion: v2\nname: c\nversion: 1.0.1\n",
				"templates/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: rel-cm}\ndata: {v: newer}\n",
			})
			f.reconcile("upgrade", InSync)
			f.deployed("newer")
		},
		"another digest of the chart's artifact: upgraded": func(f *fixture) {
			f.reconcile("install", InSync)
			f.s.OCIDigest = "sha256:0123"
			f.reconcile("upgrade", InSync)
		},
		"other values: upgraded": func(f *fixture) {
			f.reconcile("install", InSync)
			f.values(map[string]any{"v": "two"})
			f.reconcile("upgrade", InSync)
		},
		"other post-renderers: upgraded": func(f *fixture) {
			f.reconcile("install", InSync)
			f.s.PostRender.Kustomize = []helm.KustomizeStep{{Patches: []kustomize.Patch{{
				Patch: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: rel-cm}\ndata: {v: patched}\n",
			}}}}
			f.reconcile("upgrade", InSync)
			f.deployed("patched")
		},
		"other metadata: upgraded": func(f *fixture) {
			f.reconcile("install", InSync)
			f.s.PostRender.CommonLabels = map[string]string{"team": "blue"}
			f.reconcile("upgrade", InSync)
		},
		"untested: tested": func(f *fixture) {
			f.reconcile("install", InSync)
			f.s.Test.Enable, f.s.Test.Exclude = true, []string{"rel-test"}
			f.reconcile("test", InSync)
		},
		"drifted: corrected": func(f *fixture) {
			f.reconcile("install", InSync)
			f.s.Drift.Mode = DriftEnabled
			f.edit()
			f.reconcile("correct", InSync)
			f.deployed("one")
		},
		"drifted, only warned: left": func(f *fixture) {
			f.reconcile("install", InSync)
			f.s.Drift.Mode = DriftWarn
			f.edit()
			f.reconcile("", Drifted)
			f.deployed("edited")
		},
		"in sync: left": func(f *fixture) {
			f.reconcile("install", InSync)
			f.reconcile("", InSync)
			f.history("deployed")
		},
		"in sync, forced: upgraded": func(f *fixture) {
			f.reconcile("install", InSync)
			f.s.Force = true
			f.reconcile("upgrade", InSync)
		},
	} {
		t.Run(name, func(t *testing.T) { scenario(newFixture(t)) })
	}
}

// failInstall installs what the API refuses, without a retry.
func (f *fixture) failInstall() {
	f.t.Helper()
	f.values(map[string]any{"failApply": true})
	f.reconcile("install", Failed, ErrInstall, ErrRetriesExceeded)
}

// stored changes what Helm's storage has as the newest revision.
func (f *fixture) stored(change func(*helmrelease.Release)) {
	f.t.Helper()
	op, err := f.m.operation(f.t.Context(), withStorage(f.s))
	if err != nil {
		f.t.Fatal(err)
	}
	rel, err := op.storage.last(f.t.Context(), f.s.Name)
	if err != nil {
		f.t.Fatal(err)
	}
	change(rel)
	if err := op.cfg.Releases.Update(rel); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) setStatus(s helmrelease.Status) {
	f.t.Helper()
	f.stored(func(r *helmrelease.Release) { r.Info.Status = s })
}

func (f *fixture) setDescription(s string) {
	f.t.Helper()
	f.stored(func(r *helmrelease.Release) { r.Info.Description = s })
}

// edit changes the live ConfigMap as somebody else.
func (f *fixture) edit() {
	f.t.Helper()
	_, err := f.core.CoreV1().ConfigMaps(f.s.Namespace).Patch(f.t.Context(), "rel-cm", types.MergePatchType,
		[]byte(`{"data": {"v": "edited"}}`), metav1.PatchOptions{FieldManager: "somebody"})
	if err != nil {
		f.t.Fatal(err)
	}
}
