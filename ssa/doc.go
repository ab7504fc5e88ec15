// Package ssa makes a Kubernetes cluster match a set of objects by server-side
// apply: it finds out what differs, applies that, prunes what left the set,
// waits until all is ready, and tells of drift the moment it happens.
//
//	applier, err := ssa.New(cfg, ssa.Options{FieldManager: "my-operator"})
//	if err != nil {
//		return err
//	}
//	owned, err := inventory.NewConfigMap(cfg, "my-namespace", "my-operator")
//	if err != nil {
//		return err
//	}
//	result, err := applier.Apply(ctx, objects, ssa.ApplyOptions{
//		Set:         "my-app",
//		Inventory:   owned,
//		OwnerLabels: map[string]string{"example.com/owner": "my-app"},
//		Prune:       true,
//		Wait:        true,
//	})
//	fmt.Println(result.Summary()) // also when err is not nil
//
// Package progress, below this one, shows people at a terminal how it goes, and
// examples/apply is a program around all of it. Plan tells beforehand what Apply
// would do.
//
// # How it goes about it
//
//  1. Plan: each object's live metadata is read, by one list a kind, or is known
//     from watches. An object whose desired state and live metadata are those
//     last seen in sync costs nothing more. Doubt is settled by a server-side
//     dry run of that object alone.
//  2. Validate: everything that has to be written is sent as a dry run. All
//     errors are reported at once, with the fields to blame, and with one of
//     them nothing is written.
//  3. Write ahead: the inventory becomes old and new together before the first
//     object is written.
//  4. Apply: objects are written in parallel, each as soon as what it needs is
//     there: its namespace, its definition, the roles, accounts, ConfigMaps,
//     Secrets and claims that it refers to, APIServices, and what its annotation
//     config.kubernetes.io/depends-on names. Webhooks come last.
//  5. Prune: what the inventory has and the set has not is deleted, last things
//     first, and what others name in config.kubernetes.io/depends-on only when those
//     are gone, with UID and resource version as preconditions.
//  6. Wait: by watching, until all objects are ready (package health).
//
// # What tells that nothing has changed
//
// The API server keeps, for each field manager, which fields it owns and when it
// last changed one. A write by anybody else that changes a field of ours takes
// the field out of our entry; one under our own name moves the entry's time. So
// an object is in sync as long as its UID, its generation and our entry are the
// ones that were there when a dry run, or an apply, last found it so. Times have
// whole seconds: within two seconds of our own write the resource version must
// be the same too, unless all that changed since is known to be status. It is the
// API server's clock that counts, and never our own.
//
// # Marks
//
// An object may say itself how it is to be treated, by labels or annotations
// under Options.MarkPrefix:
//
//	ssa: Override      apply always (the default)
//	ssa: Merge         leave alone what other managers have added
//	ssa: IfNotPresent  create, and never touch again
//	ssa: Ignore        leave alone
//	reconcile: disabled  the same, and on the live object too
//	prune: disabled    never delete, on the live object too
//	prune: confirm     delete only when somebody has changed this mark of the live object to "confirmed"
//	force: enabled     delete and create anew where an immutable field changes
//
// # Fields that others look after
//
// By default what the set says is so, whoever owned the field before.
// ApplyOptions.Conflicts changes that for fields that other managers have given
// another value: Fail refuses them, Yield leaves them. ApplyOptions.Ignore names
// fields that are created and then left alone, as spec.replicas is where a
// HorizontalPodAutoscaler looks after it:
//
//	Ignore: []ssa.IgnoreRule{{Paths: []string{"/spec/replicas"}, Target: ssa.Selector{Kind: "Deployment"}}}
//
// # Versions that are left
//
// Who owns which fields is recorded in the API version in which the owner last
// wrote. Where the API server can't bring an object to such a version, because
// its definition no longer has it, or because it does not know a field of the
// newer one, it refuses every apply. Apply then brings the records, ours and those of
// other managers as far as the fields still exist, to the version that is
// applied, and says so in the object's Reason.
//
// # Guarantees
//
// A second Apply of the same set writes nothing, except that without validation
// an empty list that the API server does not store may be written again by another
// process. Whatever interrupts an Apply, an
// object that it wrote is in the inventory. Nothing is deleted that is not in the
// inventory, belongs to others by its labels, was replaced, is marked, or is a
// system namespace. The result tells of every object, also when the call fails.
// Values of Secrets are in no error, diff or log.
//
// # What it does not do
//
// It does not read files and it does not render: lists among the objects are
// taken apart, and that is all. It does not undo: a set that failed halfway is
// brought to its end by applying it again, or by applying the former one.
//
// It works on one cluster. Objects for several clusters are applied by an
// Applier each.
//
// It does not copy values from one live object into another as they are applied
// (the apply-time mutation of cli-utils): what is written would not be what was
// planned, and would have to be written again whenever the source changes,
// which is a controller's work.
//
// There are no waves and no numbers that order objects: what an object refers
// to comes before it, and config.kubernetes.io/depends-on says the rest, for
// pruning too. ApplyOptions.PruneWhenReady prunes last of all.
//
// It does not follow ownerReferences, so those that go in a circle do no harm:
// what is owned by a pruned object is the garbage collector's affair.
//
// Kinds of an aggregated API can't be applied in the set that has its
// APIService for the first time: no definition says what they are before it is
// available. The next Apply can.
//
// A warning that a field was lost to another manager is not an event of its own:
// the policy Take takes it back, and Yield names it in the result.
//
// Ports without a protocol, quantities in other forms, empty lists and all else
// that the API server completes or rewrites need no treatment: it is asked.
package ssa
