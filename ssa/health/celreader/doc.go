// Package celreader reads the status of objects by expressions that users
// write, in the Common Expression Language.
//
//	read, err := celreader.Compile(celreader.Expressions{
//		APIVersion: "example.com/v1",
//		Kind:       "Database",
//		InProgress: "status.phase == 'Creating'",
//		Failed:     "status.?error.hasValue()",
//		Current:    "status.phase == 'Running'",
//	})
//	if err != nil {
//		return err
//	}
//	seen, err := waiter.Wait(ctx, entries, health.WaitOptions{Read: read})
//
// The top-level fields of the object are the variables. A status that says that
// it is about an older generation is in progress, whatever expressions say; else
// the first that is true of InProgress, Failed and Current decides, in this
// order, as in Flux's healthCheckExprs. If none is, or one can't be evaluated,
// as where a field is not there yet, the object is in progress.
//
// It is a package of its own because the language's implementation is large.
//
// # Guarantees
//
// What is wrong with an expression itself is found by Compile. The cost of an
// evaluation is bounded.
//
// # What it does not do
//
// Expressions see one object, and nothing else of the cluster; kinds without
// expressions are read by health.Evaluate.
package celreader
