// Package health tells how far objects have come towards what their specs ask
// for, and waits until they are there.
//
// Evaluate reads the status of one object: by the rules of kstatus, and by a
// reader of its own where those rules are wrong or say too little (one kind,
// one file). A Waiter waits for many at once, by watching and not by asking
// again and again.
//
//	waiter, err := health.NewWaiter(cfg, mapper)
//	if err != nil {
//		return err
//	}
//	seen, err := waiter.Wait(ctx, inv.Entries(), health.WaitOptions{
//		Timeout:  2 * time.Minute,
//		OnChange: func(o health.Observation) { fmt.Println(o) },
//	})
//	var missing *health.WaitError
//	if errors.As(err, &missing) {
//		fmt.Println(len(missing.Missing), "of", len(seen), "are not ready")
//	}
//
// # Guarantees
//
// A wait ends within moments of the last object's becoming ready, of its time
// running out, or of its context's end, and leaves nothing running. When time
// runs out the error names what is missing and why, down to the container.
//
// # What it does not do
//
// It changes nothing in the cluster, and it does not judge whether a workload
// does its work: a Deployment whose pods are available is Current.
//
// A custom resource that has no status is Current. Many kinds have none by
// design, some declare one that nobody ever writes, and nothing in the object
// tells these from one that its controller has yet to see. For kinds of that sort
// give a Reader, or expressions (package celreader), that ask for a status.
package health
