// Package bucket fetches the objects of a bucket as an artifact. The bucket is
// reached through a Provider: packages s3 (everything compatible with S3), gcs and
// azure below this one.
//
//	provider, err := s3.New(s3.Options{Endpoint: "minio.example.com", Bucket: "apps", AccessKey: id, SecretKey: secret})
//	if err != nil {
//		return err
//	}
//	defer provider.Close()
//	apps, err := bucket.New(bucket.Options{Provider: provider, Prefix: "prod/", Dir: cacheDir})
//	if err != nil {
//		return err
//	}
//	revision, err := apps.Resolve(ctx) // sha256:3b4c…
//	if err != nil {
//		return err
//	}
//	artifact, err := apps.Fetch(ctx, revision)
//
// # What it guarantees
//
// The revision is Flux's: the SHA-256 of the sorted lines "key etag". Only
// objects that changed are downloaded, several at once; what one set of
// credentials fetched is not shown to another. An object that vanishes while it
// is fetched is left out, and one that changes counts as it is then; the
// artifact's revision says which. Keys cannot lead outside. The number of
// objects and their size are bounded.
//
// # What it does not do
//
// It leaves nothing out by default, unlike the other sources: only what
// .sourceignore in the bucket's root and Options.Ignore say.
package bucket
