package release

import (
	"context"
	"fmt"

	helmrelease "helm.sh/helm/v3/pkg/release"
)

// Status is how a release stands to its specification.
type Status string

// The statuses, in the order in which they are looked for.
const (
	Absent      Status = "Absent"      // not installed
	Pending     Status = "Pending"     // an action was broken off, or runs elsewhere
	Unmanaged   Status = "Unmanaged"   // somebody else installed or changed it
	Failed      Status = "Failed"      // the last action or its tests failed
	Uninstalled Status = "Uninstalled" // its history was kept
	OutOfSync   Status = "OutOfSync"   // chart, values or post-renderers differ
	Untested    Status = "Untested"    // its tests did not run
	Drifted     Status = "Drifted"     // live objects differ
	InSync      Status = "InSync"
)

// State is what was observed.
type State struct {
	Status Status
	// Reason says why, for people.
	Reason string
	// Version is the newest revision, 0 if there is none.
	Version int
	// Drift lists the objects that drifted.
	Drift []DriftedObject

	release *helmrelease.Release
}

// observe reads the state from the storage and, for drift, from the cluster.
func (m *Machine) observe(ctx context.Context, op *operation, s Spec, r Record) (State, error) {
	rel, err := op.storage.last(ctx, s.Name)
	if err != nil {
		return State{}, m.fail("observe", s, nil, fmt.Errorf("%w: %w", ErrStorage, err))
	}
	st := stateOf(rel, s, r)
	if st.Status != InSync || s.Drift.Mode == DriftDisabled {
		return st, nil
	}
	if st.Drift, err = m.drift(ctx, op, s, rel); err != nil {
		return st, m.fail("observe", s, nil, err)
	}
	if len(st.Drift) > 0 {
		st.Status, st.Reason = Drifted, fmt.Sprintf("%d objects differ from the release", len(st.Drift))
	}
	return st, nil
}

// stateOf is the state but for drift. It is pure.
func stateOf(rel *helmrelease.Release, s Spec, r Record) State {
	if rel == nil {
		return State{Status: Absent, Reason: "no release in the storage"}
	}
	st := State{Version: rel.Version, release: rel}
	set := func(status Status, format string, args ...any) State {
		st.Status, st.Reason = status, fmt.Sprintf(format, args...)
		return st
	}
	if rel.Info.Status.IsPending() || rel.Info.Status == helmrelease.StatusUninstalling {
		return set(Pending, "revision %d is %s", rel.Version, rel.Info.Status)
	}
	latest := r.Latest()
	switch {
	case latest == nil:
		if rel.Info.Status == helmrelease.StatusUninstalled {
			return set(Uninstalled, "revision %d is uninstalled", rel.Version)
		}
		return set(Unmanaged, "revision %d is not ours", rel.Version)
	case latest.Version != rel.Version || latest.Digest != digestOf(rel, latest.OCIDigest):
		return set(Unmanaged, "revision %d was changed by somebody else", rel.Version)
	}
	switch rel.Info.Status {
	case helmrelease.StatusFailed:
		return set(Failed, "revision %d failed", rel.Version)
	case helmrelease.StatusUninstalled:
		return set(Uninstalled, "revision %d is uninstalled", rel.Version)
	case helmrelease.StatusDeployed:
	default:
		return set(Unmanaged, "revision %d has status %s", rel.Version, rel.Info.Status)
	}
	if why := differs(rel, s, r, latest); why != "" {
		return set(OutOfSync, "%s", why)
	}
	if s.Test.Enable {
		if !latest.Tested {
			return set(Untested, "the tests of revision %d did not run", rel.Version)
		}
		if latest.testFailed() && !s.remediation(r.LastAction).ignoresTests(s.Test) {
			return set(Failed, "tests of revision %d failed", rel.Version)
		}
	}
	return set(InSync, "revision %d is as specified", rel.Version)
}

// differs says what of a deployed release is not as specified, or "".
func differs(rel *helmrelease.Release, s Spec, r Record, latest *Snapshot) string {
	md := s.Chart.Metadata()
	have := rel.Chart.Metadata
	switch {
	case have.Name != md.Name || have.Version != md.Version:
		return fmt.Sprintf("chart %s-%s is deployed, %s-%s is wanted", have.Name, have.Version, md.Name, md.Version)
	case valuesDigest(rel.Config) != valuesDigest(s.Values) && !s.Upgrade.PreserveValues:
		return "the values differ"
	case s.OCIDigest != latest.OCIDigest:
		return "the chart's digest differs"
	case r.PostRenderDigest != postRenderDigest(s):
		return "the post-renderers differ"
	}
	return ""
}

func postRenderDigest(s Spec) string { return digestJSON(s.PostRender) }

// remediation is that of the last attempted action.
func (s Spec) remediation(last Action) Remediation {
	if last == ActionInstall {
		return s.Install.Remediation
	}
	return s.Upgrade.Remediation
}
