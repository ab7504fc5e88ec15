// Package release brings Helm releases to a specification: it installs,
// upgrades, tests, rolls back, uninstalls, unlocks and corrects drift, the way
// Flux's helm-controller does, on Helm v3's own storage.
//
//	machine, err := release.New(release.Options{Config: restConfig})
//	if err != nil {
//		log.Fatal(err)
//	}
//	var record release.Record // kept between reconciliations, for instance in a status
//	res, err := machine.Reconcile(ctx, release.Spec{
//		Name: "podinfo", Namespace: "default", Chart: chart,
//		Values: map[string]any{"replicaCount": 2},
//	}, record)
//	record = res.Record // also on error
//	for _, a := range res.Actions {
//		fmt.Println(a.Action, a.Version, a.Err)
//	}
//
// A reconciliation observes a State, decides on an Action by a table that is a
// pure function of state, specification and record, executes it, and looks again,
// until nothing is left to do. Each kind of action runs once; a remediation is
// the last.
//
// # What it guarantees
//
//   - helm ls, helm history and helm rollback work on what this package writes, and
//     this package takes over what they did.
//   - A process that is killed at any moment leaves a release that the next
//     reconciliation brings to its specification.
//   - Templates are rendered within bounds before Helm renders them; what fails there
//     changes nothing and counts as no failed release.
//   - The storage is read by metadata; only the newest revision is unzipped.
//   - When the context ends, the requests of the action end, and its failure is still
//     recorded.
//   - Plan says what would be done, without values of Secrets.
//
// # What it does not do
//
// It does not lock: the same release must not be reconciled twice at the same
// time. It does not run several releases in an order. Helm v3's three-way merge
// applies the objects, not server-side apply.
package release
