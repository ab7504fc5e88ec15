package release

import "fmt"

// Action is what is done to a release.
type Action string

// The actions.
const (
	ActionNone      Action = ""
	ActionInstall   Action = "install"
	ActionUpgrade   Action = "upgrade"
	ActionTest      Action = "test"
	ActionUnlock    Action = "unlock"
	ActionCorrect   Action = "correct"
	ActionRollback  Action = "rollback"  // remediation
	ActionUninstall Action = "uninstall" // remediation, or on request
)

// sameKind says whether one reconciliation does not run both: an install that failed
// is not followed by an upgrade at once.
func (a Action) sameKind(b Action) bool {
	releases := func(x Action) bool { return x == ActionInstall || x == ActionUpgrade }
	return a == b || releases(a) && releases(b)
}

// Decision is the next action and why.
type Decision struct {
	Action Action
	// Reason says why, for people.
	Reason string
	// Target is the revision to roll back to.
	Target int
}

// decide is the table: state and record in, action out. It changes nothing. An
// error means that nothing happens until the specification changes.
func decide(st State, s Spec, r Record) (Decision, error) {
	do := func(a Action) (Decision, error) { return Decision{Action: a, Reason: st.Reason}, nil }
	exceeded := func() (Decision, error) {
		return Decision{Reason: st.Reason}, fmt.Errorf("%w: %d failures", ErrRetriesExceeded, r.Failures)
	}
	switch st.Status {
	case Absent, Uninstalled:
		if !s.Force && !s.Install.RetryOnFailure && s.Install.Remediation.exhausted(r.InstallFailures) {
			return exceeded()
		}
		return do(ActionInstall)
	case Pending:
		return do(ActionUnlock)
	case Unmanaged:
		return do(ActionUpgrade)
	case Failed:
		return decideFailed(st, s, r, do, exceeded)
	case OutOfSync:
		if !s.Force && !s.Upgrade.RetryOnFailure && s.Upgrade.Remediation.exhausted(r.UpgradeFailures) {
			return exceeded()
		}
		return do(ActionUpgrade)
	case Untested:
		return do(ActionTest)
	case Drifted:
		if s.Drift.Mode == DriftEnabled {
			return do(ActionCorrect)
		}
	case InSync:
		if s.Force {
			return Decision{Action: ActionUpgrade, Reason: "forced"}, nil
		}
	}
	return Decision{Reason: st.Reason}, nil
}

// decideFailed tries again, remediates or gives up.
func decideFailed(st State, s Spec, r Record, do func(Action) (Decision, error), exceeded func() (Decision, error)) (Decision, error) {
	installed := r.LastAction == ActionInstall
	failures, retry := r.UpgradeFailures, s.Upgrade.RetryOnFailure
	if installed {
		failures, retry = r.InstallFailures, s.Install.RetryOnFailure
	}
	rem := s.remediation(r.LastAction)
	switch {
	case retry, r.LastAction == ActionNone, failures == 0, s.Force:
		return do(ActionUpgrade)
	case rem.exhausted(failures) && !rem.remediates(!installed):
		return exceeded()
	case installed || s.Upgrade.RemediateByUninstall:
		return do(ActionUninstall)
	}
	prev := r.previous(rem.ignoresTests(s.Test))
	if prev == nil {
		return Decision{Reason: st.Reason}, ErrMissingRollbackTarget
	}
	return Decision{Action: ActionRollback, Reason: st.Reason, Target: prev.Version}, nil
}

// reset forgets failures where what is wanted is not what was attempted.
func (r *Record) reset(s Spec) {
	config := valuesDigest(s.Values)
	version := s.Chart.Metadata().Version
	if s.OCIDigest != "" {
		version += "@" + s.OCIDigest
	}
	if r.Generation != s.Generation || r.ChartVersion != version || r.ConfigDigest != config {
		r.Failures, r.InstallFailures, r.UpgradeFailures = 0, 0, 0
	}
	r.Generation, r.ChartVersion, r.ConfigDigest = s.Generation, version, config
}

// failed counts a failure.
func (r *Record) failed(a Action) {
	r.Failures++
	if a == ActionInstall {
		r.InstallFailures++
	} else {
		r.UpgradeFailures++
	}
}
