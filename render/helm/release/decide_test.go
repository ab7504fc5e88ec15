package release

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/chart"
	helmrelease "helm.sh/helm/v3/pkg/release"
)

func yes(b bool) *bool { return &b }

// TestDecide has a row for each row of the table in the reference.
func TestDecide(t *testing.T) {
	good := func(v int) Snapshot { return Snapshot{Version: v, Status: "superseded"} }
	bad := func(v int) Snapshot { return Snapshot{Version: v, Status: "failed"} }
	badTest := func(v int) Snapshot {
		return Snapshot{Version: v, Status: "superseded", Tested: true, TestHooks: map[string]TestHook{"t": {Phase: "Failed"}}}
	}
	for name, tc := range map[string]struct {
		status Status
		s      Spec
		r      Record
		want   Action
		target int
		err    error
	}{
		"absent installs":                     {status: Absent, want: ActionInstall},
		"absent, retries left":                {status: Absent, s: Spec{Install: Install{Remediation: Remediation{Retries: 1}}}, r: Record{InstallFailures: 1}, want: ActionInstall},
		"absent, retries exceeded":            {status: Absent, r: Record{InstallFailures: 1}, err: ErrRetriesExceeded},
		"absent, retries exceeded but forced": {status: Absent, s: Spec{Force: true}, r: Record{InstallFailures: 1}, want: ActionInstall},
		"absent, retries for ever":            {status: Absent, s: Spec{Install: Install{Remediation: Remediation{Retries: -1}}}, r: Record{InstallFailures: 99}, want: ActionInstall},
		"uninstalled installs":                {status: Uninstalled, want: ActionInstall},
		"pending unlocks":                     {status: Pending, want: ActionUnlock},
		"unmanaged upgrades":                  {status: Unmanaged, want: ActionUpgrade},
		"out of sync upgrades":                {status: OutOfSync, want: ActionUpgrade},
		"out of sync, retries exceeded":       {status: OutOfSync, r: Record{UpgradeFailures: 1}, err: ErrRetriesExceeded},
		"out of sync, forced":                 {status: OutOfSync, s: Spec{Force: true}, r: Record{UpgradeFailures: 1}, want: ActionUpgrade},
		"out of sync, retry strategy":         {status: OutOfSync, s: Spec{Upgrade: Upgrade{RetryOnFailure: true}}, r: Record{UpgradeFailures: 9}, want: ActionUpgrade},
		"untested tests":                      {status: Untested, want: ActionTest},
		"drifted corrects":                    {status: Drifted, s: Spec{Drift: Drift{Mode: DriftEnabled}}, want: ActionCorrect},
		"drifted, only warned":                {status: Drifted, s: Spec{Drift: Drift{Mode: DriftWarn}}, want: ActionNone},
		"in sync does nothing":                {status: InSync, want: ActionNone},
		"in sync, forced":                     {status: InSync, s: Spec{Force: true}, want: ActionUpgrade},

		"failed by nobody's action upgrades":     {status: Failed, want: ActionUpgrade},
		"failed, counters reset, upgrades":       {status: Failed, r: Record{LastAction: ActionUpgrade}, want: ActionUpgrade},
		"failed, forced":                         {status: Failed, s: Spec{Force: true}, r: Record{LastAction: ActionInstall, InstallFailures: 1}, want: ActionUpgrade},
		"failed install, retry strategy":         {status: Failed, s: Spec{Install: Install{RetryOnFailure: true}}, r: Record{LastAction: ActionInstall, InstallFailures: 5}, want: ActionUpgrade},
		"failed upgrade, retry strategy":         {status: Failed, s: Spec{Upgrade: Upgrade{RetryOnFailure: true}}, r: Record{LastAction: ActionUpgrade, UpgradeFailures: 5}, want: ActionUpgrade},
		"failed install, no retries":             {status: Failed, r: Record{LastAction: ActionInstall, InstallFailures: 1}, err: ErrRetriesExceeded},
		"failed install, retries left":           {status: Failed, s: Spec{Install: Install{Remediation: Remediation{Retries: 1}}}, r: Record{LastAction: ActionInstall, InstallFailures: 1}, want: ActionUninstall},
		"failed install, last not remediated":    {status: Failed, s: Spec{Install: Install{Remediation: Remediation{Retries: 1}}}, r: Record{LastAction: ActionInstall, InstallFailures: 2}, err: ErrRetriesExceeded},
		"failed install, last remediated":        {status: Failed, s: Spec{Install: Install{Remediation: Remediation{RemediateLastFailure: yes(true)}}}, r: Record{LastAction: ActionInstall, InstallFailures: 1}, want: ActionUninstall},
		"failed upgrade, no retries":             {status: Failed, r: Record{LastAction: ActionUpgrade, UpgradeFailures: 1, History: []Snapshot{bad(2), good(1)}}, err: ErrRetriesExceeded},
		"failed upgrade rolls back":              {status: Failed, s: Spec{Upgrade: Upgrade{Remediation: Remediation{Retries: 1}}}, r: Record{LastAction: ActionUpgrade, UpgradeFailures: 1, History: []Snapshot{bad(3), bad(2), good(1)}}, want: ActionRollback, target: 1},
		"failed upgrade, last remediated too":    {status: Failed, s: Spec{Upgrade: Upgrade{Remediation: Remediation{Retries: 1}}}, r: Record{LastAction: ActionUpgrade, UpgradeFailures: 2, History: []Snapshot{bad(2), good(1)}}, want: ActionRollback, target: 1},
		"failed upgrade, last not remediated":    {status: Failed, s: Spec{Upgrade: Upgrade{Remediation: Remediation{Retries: 1, RemediateLastFailure: yes(false)}}}, r: Record{LastAction: ActionUpgrade, UpgradeFailures: 2, History: []Snapshot{bad(2), good(1)}}, err: ErrRetriesExceeded},
		"failed upgrade, uninstall strategy":     {status: Failed, s: Spec{Upgrade: Upgrade{Remediation: Remediation{Retries: 1}, RemediateByUninstall: true}}, r: Record{LastAction: ActionUpgrade, UpgradeFailures: 1}, want: ActionUninstall},
		"failed upgrade, nothing to go back to":  {status: Failed, s: Spec{Upgrade: Upgrade{Remediation: Remediation{Retries: 1}}}, r: Record{LastAction: ActionUpgrade, UpgradeFailures: 1, History: []Snapshot{bad(2)}}, err: ErrMissingRollbackTarget},
		"a revision with failed tests is no aim": {status: Failed, s: Spec{Upgrade: Upgrade{Remediation: Remediation{Retries: 1}}}, r: Record{LastAction: ActionUpgrade, UpgradeFailures: 1, History: []Snapshot{bad(3), badTest(2), good(1)}}, want: ActionRollback, target: 1},
		"unless failed tests are ignored":        {status: Failed, s: Spec{Test: Test{IgnoreFailures: true}, Upgrade: Upgrade{Remediation: Remediation{Retries: 1}}}, r: Record{LastAction: ActionUpgrade, UpgradeFailures: 1, History: []Snapshot{bad(3), badTest(2), good(1)}}, want: ActionRollback, target: 2},
	} {
		t.Run(name, func(t *testing.T) {
			before := tc.r.clone()
			got, err := decide(State{Status: tc.status}, tc.s, tc.r)
			if !errors.Is(err, tc.err) || got.Action != tc.want || got.Target != tc.target {
				t.Errorf("got %+v, %v; want %s %d, %v", got, err, tc.want, tc.target, tc.err)
			}
			if diff := cmp.Diff(before, tc.r); diff != "" {
				t.Errorf("the record changed: %s", diff)
			}
		})
	}
}

func TestStateOf(t *testing.T) {
	c := chartOf(t, nil)
	base := func(change func(*helmrelease.Release)) *helmrelease.Release {
		rel := &helmrelease.Release{
			Name: "r", Version: 2, Namespace: "n", Info: &helmrelease.Info{Status: helmrelease.StatusDeployed},
			Chart: &chart.Chart{Metadata: &chart.Metadata{Name: "c", Version: "1.0.0"}}, Config: map[string]any{"a": 1.0},
		}
		if change != nil {
			change(rel)
		}
		return rel
	}
	status := func(s helmrelease.Status) *helmrelease.Release {
		return base(func(r *helmrelease.Release) { r.Info.Status = s })
	}
	spec := Spec{Name: "r", Namespace: "n", Chart: c, Values: map[string]any{"a": 1}}
	own := func(rel *helmrelease.Release, change func(*Snapshot)) Record {
		s := snapshotOf(rel, "")
		if change != nil {
			change(&s)
		}
		return Record{History: []Snapshot{s}, PostRenderDigest: postRenderDigest(spec)}
	}
	with := func(change func(*Spec)) Spec {
		s := spec
		change(&s)
		return s
	}
	tests := func(s *Spec) { s.Test.Enable = true }
	for name, tc := range map[string]struct {
		rel  *helmrelease.Release
		s    Spec
		r    Record
		want Status
	}{
		"nothing stored":              {nil, spec, Record{}, Absent},
		"pending install":             {status(helmrelease.StatusPendingInstall), spec, Record{}, Pending},
		"pending upgrade":             {status(helmrelease.StatusPendingUpgrade), spec, own(base(nil), nil), Pending},
		"pending rollback":            {status(helmrelease.StatusPendingRollback), spec, Record{}, Pending},
		"uninstalling was broken off": {status(helmrelease.StatusUninstalling), spec, Record{}, Pending},
		"no history":                  {base(nil), spec, Record{}, Unmanaged},
		"another revision":            {base(nil), spec, own(base(func(r *helmrelease.Release) { r.Version = 1 }), nil), Unmanaged},
		"another digest":              {base(nil), spec, own(base(nil), func(s *Snapshot) { s.Digest = "x" }), Unmanaged},
		"failed":                      {status(helmrelease.StatusFailed), spec, own(status(helmrelease.StatusFailed), nil), Failed},
		"uninstalled":                 {status(helmrelease.StatusUninstalled), spec, own(status(helmrelease.StatusUninstalled), nil), Uninstalled},
		"uninstalled by somebody":     {status(helmrelease.StatusUninstalled), spec, Record{}, Uninstalled},
		"as specified":                {base(nil), spec, own(base(nil), nil), InSync},
		"another chart version": {base(nil), with(func(s *Spec) {
			s.Chart = chartOf(t, map[string]string{"Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.1\n"})
		}), own(base(nil), nil), OutOfSync},
		"another chart name": {base(nil), with(func(s *Spec) {
			s.Chart = chartOf(t, map[string]string{"Chart.yaml": "apiVersion: v2\nname: d\nversion: 1.0.0\n"})
		}), own(base(nil), nil), OutOfSync},
		"other values":                  {base(nil), with(func(s *Spec) { s.Values = map[string]any{"a": 2} }), own(base(nil), nil), OutOfSync},
		"another digest of the chart":   {base(nil), with(func(s *Spec) { s.OCIDigest = "sha256:x" }), own(base(nil), nil), OutOfSync},
		"other post-renderers":          {base(nil), with(func(s *Spec) { s.PostRender.CommonLabels = map[string]string{"a": "b"} }), own(base(nil), nil), OutOfSync},
		"tests did not run":             {base(nil), with(tests), own(base(nil), nil), Untested},
		"a chart without tests, tested": {base(nil), with(tests), own(base(nil), func(s *Snapshot) { s.Tested = true }), InSync},
		"tests failed":                  {base(nil), with(tests), own(base(nil), func(s *Snapshot) { s.Tested, s.TestHooks = true, map[string]TestHook{"t": {Phase: "Failed"}} }), Failed},
		"tests failed but ignored": {
			base(nil), with(func(s *Spec) { s.Test = Test{Enable: true, IgnoreFailures: true} }),
			own(base(nil), func(s *Snapshot) { s.Tested, s.TestHooks = true, map[string]TestHook{"t": {Phase: "Failed"}} }), InSync,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := stateOf(tc.rel, tc.s, tc.r); got.Status != tc.want {
				t.Errorf("got %s (%s), want %s", got.Status, got.Reason, tc.want)
			}
		})
	}
}

// TestAManualTestKeepsTheDigest: `helm test` writes the hooks of tests.
func TestAManualTestKeepsTheDigest(t *testing.T) {
	rel := &helmrelease.Release{Name: "r", Info: &helmrelease.Info{}, Hooks: []*helmrelease.Hook{
		{Name: "t", Events: []helmrelease.HookEvent{helmrelease.HookTest}}, {Name: "h", Events: []helmrelease.HookEvent{helmrelease.HookPreInstall}},
	}}
	before := digestOf(rel, "")
	rel.Hooks[0].LastRun.Phase = helmrelease.HookPhaseSucceeded
	if digestOf(rel, "") != before {
		t.Error("a test changed the digest")
	}
	rel.Hooks[1].LastRun.Phase = helmrelease.HookPhaseSucceeded
	if digestOf(rel, "") == before {
		t.Error("a hook did not change the digest")
	}
}

func TestCountersAreResetByWhatChanges(t *testing.T) {
	s := Spec{Chart: chartOf(t, nil), Values: map[string]any{"a": 1}, Generation: 1}
	for name, tc := range map[string]struct {
		change func(*Spec)
		reset  bool
	}{
		"nothing":    {func(*Spec) {}, false},
		"generation": {func(s *Spec) { s.Generation = 2 }, true},
		"values":     {func(s *Spec) { s.Values = map[string]any{"a": 2} }, true},
		"chart":      {func(s *Spec) { s.OCIDigest = "sha256:x" }, true},
	} {
		var r Record
		r.reset(s)
		r.failed(ActionUpgrade)
		next := s
		tc.change(&next)
		r.reset(next)
		if (r.Failures == 0) != tc.reset {
			t.Errorf("%s: %d failures", name, r.Failures)
		}
	}
}
