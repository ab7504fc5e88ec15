// Package progress shows people at a terminal, or readers of a log, what an
// Apply is at: what was done with each object, what is being waited for, and
// why.
//
//	show := progress.New(os.Stderr, progress.Options{})
//	result, err := applier.Apply(ctx, objects, show.Follow(ssa.ApplyOptions{
//		Set:       "my-app",
//		Inventory: owned,
//		Prune:     true,
//		Wait:      true,
//	}))
//	if closeErr := show.Close(); closeErr != nil {
//		return closeErr
//	}
//	fmt.Println(result.Summary())
//
// On a terminal it keeps a few lines at the bottom up to date: the step, how far
// it is, and the objects that are not ready, with the reasons that their pods
// give. What was done with an object becomes a line above them, which stays:
//
//	$ apply -f ./deploy --inventory shop --wait
//	+ create Namespace/shop
//	~ update Deployment/shop/web (1.2s)
//	✓ 1 created, 1 updated, 118 unchanged in 3s
//	 ⠹ waiting ━━━━━━━━━━━━━━━━━━━━━━── 41/43  12s
//	   Deployment/shop/web     12s  1 of 3 pods are available
//	     pod web-5d4: container web: ErrImagePull: no such image as web:2
//	   Job/shop/migrate        12s  0 of 1 pods have succeeded
//
// Elsewhere, in a log or a pipe, each event is a line without escape sequences,
// and every half minute in which nothing happens another one says what is
// waited for.
//
// # Guarantees
//
// What comes from the cluster can't drive the terminal: control characters,
// characters that change the direction of text and invisible ones are shown by
// their numbers. The live lines never take more than the terminal has, are drawn
// anew when it changes its size, and at most ten times a second; a terminal that
// takes its time does not hold up the Apply. Whenever the program ends, killed
// even, the cursor is visible. A Display shows no more than it is given, in
// which package ssa has masked the values of Secrets.
//
// # What it does not do
//
// It reads no keys, and asks nothing. It takes no signals: a program that wants
// to end well on Ctrl-C ends the context of its Apply, and calls Close.
package progress
