// Package scan lists the tags of images in registries, and chooses among them by
// the policies of package imagepolicy.
//
//	client, err := scan.NewClient(scan.ClientOptions{Keychain: true})
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//	image, err := client.Image(scan.ImageOptions{Name: "ghcr.io/org/app", Store: store})
//	if err != nil {
//		return err
//	}
//	if _, err := image.Scan(ctx); err != nil {
//		return err
//	}
//	choice, err := image.Choose(ctx, scan.Want{Policy: policy, Soak: time.Hour, Digest: true})
//	if err != nil {
//		return err
//	}
//	fmt.Println(choice.Tag, choice.Digest)
//
// # What it guarantees
//
// A scan costs what is new. A token is kept between scans. A registry that lists
// its tags in order, as the OCI distribution specification has it, in more than
// two pages, is asked for two of them: the last, and one of the others in turn, so
// that each comes up again and again; once in ImageOptions.FullEvery all are read.
// Another registry is read in full each time. Pages that have an ETag are asked
// for on condition that they changed. A tag between others may so be found later
// than by a full scan, never later than FullEvery.
//
// A registry that says that it is busy is left alone for as long as it wants (429
// and Retry-After), by all requests to it; a call that would wait for too long
// fails with ErrRateLimited and says when to come back.
//
// Dates of creation are read for the candidates of a policy of the kind Newest
// alone, once for each. What a [Verifier] accepted is what Choice.Digest names.
// That the registry cannot be asked never leads to the choice of another tag.
//
// Plain HTTP is used for registries that are named insecure, and for no others.
// What is no tag by the specification is passed over. Answers are bounded in size
// and number. Secrets are in no error, and not in the store.
//
// # What it does not do
//
// It does not log in to clouds: see [Credentials]. It knows a tag by its name: one
// that is moved to another image is as old as before, and its date stays, unless
// ImageOptions.RecheckDates says otherwise. Signatures are the matter of a [Verifier]; those of source/oci, whose
// method takes a client, are put behind a [VerifierFunc] that turns their refusals
// into ErrNotSigned. The example image-update shows it.
package scan
