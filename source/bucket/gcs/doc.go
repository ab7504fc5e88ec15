// Package gcs reads buckets of Google Cloud Storage by its JSON API, with the
// standard library alone.
//
//	provider, err := gcs.New(gcs.Options{Bucket: "apps", ServiceAccount: key})
//	if err != nil {
//		return err
//	}
//	defer provider.Close()
//	apps, err := bucket.New(bucket.Options{Provider: provider, Dir: cacheDir})
//	if err != nil {
//		return err
//	}
//	revision, err := apps.Resolve(ctx)
//	if err != nil {
//		return err
//	}
//	artifact, err := apps.Fetch(ctx, revision)
//
// # What it guarantees
//
// An object is read at the generation that its ETag and size were told of.
// Objects that are stored compressed stay as they are stored. No request is
// redirected; secrets are in no error and no name.
//
// # What it does not do
//
// It looks for no credentials: give a service account's key, or a Token, such as
// MetadataToken on a machine or pod of Google's.
package gcs
