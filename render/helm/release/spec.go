package release

import (
	"errors"
	"fmt"
	"time"

	"github.com/gitopskit/gitopskit/render/helm"
)

// Spec is what a release shall be: the fields of a HelmRelease that concern it.
type Spec struct {
	// Name and Namespace of the release; both are required.
	Name, Namespace string
	// StorageNamespace holds Helm's Secrets. Empty means Namespace.
	StorageNamespace string
	// Chart is required.
	Chart *helm.Chart
	// Values, composed; see helm.ComposeValues.
	Values map[string]any
	// PostRender changes the objects after the templates.
	PostRender helm.PostRender
	// OCIDigest is that of the chart's artifact, if it is one.
	OCIDigest string
	// MaxHistory is how many revisions Helm keeps. Zero means 5, negative all.
	MaxHistory int
	// Timeout of each action. Zero means 5 minutes.
	Timeout time.Duration
	// Generation counts changes of the specification; one resets the counters
	// of failures, as does another chart version or other values.
	Generation int64
	// Force upgrades even where nothing changed or retries are exceeded, once.
	Force bool

	Install   Install
	Upgrade   Upgrade
	Rollback  Rollback
	Uninstall Uninstall
	Test      Test
	Drift     Drift
}

// CRDPolicy says what happens to the chart's CRDs. They are never deleted.
type CRDPolicy string

// The CRD policies.
const (
	CRDsSkip          CRDPolicy = "Skip"
	CRDsCreate        CRDPolicy = "Create"
	CRDsCreateReplace CRDPolicy = "CreateReplace"
)

// Remediation says what happens after a failure.
type Remediation struct {
	// Retries after which a release is stalled; negative means for ever.
	Retries int
	// RemediateLastFailure remediates even when no retry is left. Nil means no
	// for an install, and for an upgrade yes if Retries is positive.
	RemediateLastFailure *bool
	// IgnoreTestFailures does not count a failed test. Nil means
	// Test.IgnoreFailures.
	IgnoreTestFailures *bool
}

// Install says how to install.
type Install struct {
	DisableWait, DisableWaitForJobs, DisableHooks bool
	DisableOpenAPIValidation, DisableSchema       bool
	// Replace takes the name of a release that was uninstalled with its history kept.
	Replace bool
	// CreateNamespace creates the release's namespace.
	CreateNamespace bool
	// TakeOwnership adopts objects that exist without Helm's marks.
	TakeOwnership bool
	// CRDs: empty means Create.
	CRDs CRDPolicy
	// Remediation by uninstalling. Instead of it RetryOnFailure upgrades the
	// failed release at each reconciliation.
	Remediation    Remediation
	RetryOnFailure bool
}

// Upgrade says how to upgrade.
type Upgrade struct {
	DisableWait, DisableWaitForJobs, DisableHooks bool
	DisableOpenAPIValidation, DisableSchema       bool
	// RecreateOnConflict deletes and creates objects that can't be patched;
	// Helm calls it force.
	RecreateOnConflict bool
	// CleanupOnFail deletes objects that a failed upgrade created.
	CleanupOnFail bool
	// PreserveValues merges the values of the last release under the new ones.
	PreserveValues bool
	TakeOwnership  bool
	// CRDs: empty means Create.
	CRDs CRDPolicy
	// Remediation by rolling back, or by uninstalling with RemediateByUninstall.
	Remediation          Remediation
	RemediateByUninstall bool
	RetryOnFailure       bool
}

// Rollback says how to roll back.
type Rollback struct {
	DisableWait, DisableWaitForJobs, DisableHooks bool
	Recreate, RecreateOnConflict, CleanupOnFail   bool
}

// Uninstall says how to uninstall.
type Uninstall struct {
	DisableHooks, DisableWait, KeepHistory bool
	// DeletionPropagation: background (default), foreground or orphan.
	DeletionPropagation string
}

// Test says whether and how to run the chart's tests.
type Test struct {
	Enable bool
	// IgnoreFailures does not fail the release.
	IgnoreFailures bool
	// Include and Exclude are names of tests; at most one of them.
	Include, Exclude []string
}

// DriftMode says what happens when live objects differ from the release.
type DriftMode string

// The drift modes.
const (
	DriftDisabled DriftMode = ""
	DriftWarn     DriftMode = "warn"
	DriftEnabled  DriftMode = "enabled"
)

// Drift says how drift is detected.
type Drift struct {
	Mode   DriftMode
	Ignore []DriftIgnore
}

// DriftIgnore leaves fields out.
type DriftIgnore struct {
	// Paths are JSON pointers; "" is the whole object.
	Paths []string
	// Target selects objects; nil selects all.
	Target *Target
}

// Target selects objects; empty fields match all, others as anchored regular
// expressions. LabelSelector and AnnotationSelector are label selectors.
type Target struct {
	Group, Version, Kind, Namespace, Name string
	LabelSelector, AnnotationSelector     string
}

func (s Spec) withDefaults() (Spec, error) {
	switch {
	case s.Name == "":
		return s, specError(s, "set Spec.Name")
	case s.Namespace == "":
		return s, specError(s, "set Spec.Namespace")
	case len(s.Test.Include) > 0 && len(s.Test.Exclude) > 0:
		return s, specError(s, "set Spec.Test.Include or Exclude, not both")
	}
	if s.StorageNamespace == "" {
		s.StorageNamespace = s.Namespace
	}
	if s.MaxHistory == 0 {
		s.MaxHistory = 5
	}
	if s.Timeout <= 0 {
		s.Timeout = 5 * time.Minute
	}
	return s, nil
}

func specError(s Spec, what string) error {
	return &Error{Op: "observe", Ref: s.ref(), Err: fmt.Errorf("%w: %w", ErrSpec, errors.New(what))}
}

func (s Spec) ref() string { return s.Namespace + "/" + s.Name }

// remediates says whether the last failure is remediated too.
func (r Remediation) remediates(upgrade bool) bool {
	if r.RemediateLastFailure != nil {
		return *r.RemediateLastFailure
	}
	return upgrade && r.Retries > 0
}

func (r Remediation) exhausted(failures int) bool { return r.Retries >= 0 && failures > r.Retries }

func (r Remediation) ignoresTests(t Test) bool {
	if r.IgnoreTestFailures != nil {
		return *r.IgnoreTestFailures
	}
	return t.IgnoreFailures
}
