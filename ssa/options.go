package ssa

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa/health"
)

// ApplyOptions say how one set of objects is applied. The zero value applies
// the objects, all or none of them as far as validation can tell, keeps no
// inventory, prunes nothing and does not wait.
type ApplyOptions struct {
	// Set names the set of objects. What is known of a set's objects is kept
	// from one Apply to the next under this name, so give each set its own, and
	// one set always the same. It is also the name that Watch reports drift
	// under. Default: the set is not remembered, and nothing of it is skipped
	// without asking the cluster.
	Set string

	// Inventory keeps account of what the set owns. It is written before the
	// first object is, and again when the last is done, if anything changed.
	// Default: no account is kept, and Prune is refused.
	Inventory inventory.Store

	// OwnerLabels are put on every object, and tell whose an object is. Default:
	// none, and the inventory alone tells what may be pruned.
	OwnerLabels map[string]string

	// Adopt says which objects that are there already may become the set's, by
	// the owner labels that they carry; others fail with ErrOwned. Default:
	// AdoptAny.
	Adopt Adoption

	// Prune deletes what the inventory lists and the objects do not, after
	// everything else was applied without error.
	Prune bool

	// PruneWhenReady waits, as Wait does, before anything is pruned, and prunes
	// nothing if that fails: what replaces something is ready before that goes.
	// Default: what left the set goes as soon as the set was applied.
	PruneWhenReady bool

	// PruneAdopt says which objects that left the set may be pruned, by the owner
	// labels that they carry; others are left alone. Default: MustMatch.
	PruneAdopt Adoption

	// MaxPrune is how many objects may be pruned in one Apply, MaxPrunePercent
	// how many per cent of the inventory, not counting what is gone already or is
	// left alone. With more, nothing is written and the error wraps ErrPruneRefused.
	// Default 0: no limit.
	MaxPrune        int
	MaxPrunePercent int

	// AllowMassPrune names the Set whose limits on pruning, RefuseEmpty among
	// them, do not count this time. Default: all limits count.
	AllowMassPrune string

	// Propagation says what becomes of what depends on a pruned object by its
	// ownerReferences. Default: it is deleted in the background.
	Propagation metav1.DeletionPropagation

	// Orphan makes Prune let go of objects instead of deleting them: they lose the
	// owner labels, leave the inventory and stay in the cluster.
	Orphan bool

	// RefuseEmpty makes an Apply that has no objects while the inventory lists
	// some, or no namespace while it lists two or more, fail with ErrPruneRefused,
	// since such a set is more often an accident than a wish.
	RefuseEmpty bool

	// DefaultNamespace is given to namespaced objects that name none. Default:
	// such objects are invalid.
	DefaultNamespace string

	// SkipValidation saves the server-side dry run of what is to be written, a
	// request an object. Some of the objects may then be written when others
	// turn out to be invalid.
	SkipValidation bool

	// ContinueOnError goes on with the objects that do not depend on one that
	// is invalid or failed. Nothing is pruned then. Default: if validation finds
	// an error nothing is written; after an error while writing, nothing more is
	// begun.
	ContinueOnError bool

	// RecreateImmutable deletes and creates anew objects where the change of an
	// immutable field asks for it, after the new object was validated. Never
	// namespaces, CustomResourceDefinitions, PersistentVolumes and their claims:
	// those need the mark on the object. Default: ErrImmutable.
	RecreateImmutable bool

	// Conflicts says what becomes of fields that other field managers own and
	// have given another value. Default: Take.
	Conflicts ConflictPolicy

	// Ignore names fields that others look after once an object is there.
	// Default: none.
	Ignore []IgnoreRule

	// Diff reads each object that is updated before it is written, and tells in
	// the result which fields changed: one more request for each of those.
	Diff bool

	// DryRun stops before anything is written, in the cluster or the inventory.
	// The result says what would have been done.
	DryRun bool

	// Expect makes Apply fail with ErrPlanOutdated, before anything is written,
	// if the set or the cluster is no longer what this plan was made for: if
	// anything would be done that the plan does not say, or if what it changes has
	// other values by now. It implies Diff. Default: whatever has to be done is done.
	Expect *Plan

	// Wait waits, after everything was applied, until all objects are ready, for
	// at most WaitTimeout. That is also how long each object waits for what its
	// annotation says it depends on. Default of WaitTimeout: 5 minutes at the end, 1
	// minute for a dependency.
	Wait        bool
	WaitTimeout time.Duration

	// WaitFailFast ends the wait as soon as an object has failed that can't
	// recover without a change. Default: it is waited for to the end, since
	// somebody may mend it.
	WaitFailFast bool

	// Health reads the status of objects that are waited for, at the end and
	// where an annotation says that they are depended on. Default:
	// health.Evaluate.
	Health health.Reader

	// OnHealth is told of each change of an object's status while it is waited
	// for: at the end, where others depend on it, and where it has to be gone before
	// another can be made or deleted and something holds it. What the pods of
	// workloads complain of is among it (see health.WaitOptions.Explain). It is called
	// in the way that OnEvent is. Default: nobody is told.
	OnHealth func(health.Observation)

	// Origin says where an object was written down, for errors: a file, or file
	// and line. Default: not known.
	Origin func(*unstructured.Unstructured) string

	// OnEvent is told of each object as it is done, OnStep of each step as it
	// begins, with the number of objects that it is about. All functions of these
	// options are called one at a time, and never after Apply has returned; they
	// hold up what they are told of, so they should be quick. Package ssa/progress
	// shows people what these are told. Default: nobody is told.
	OnEvent func(ObjectResult)
	OnStep  func(step Step, objects int)
}
