// Package s3 reads buckets of everything compatible with Amazon's S3, by
// minio-go.
//
//	provider, err := s3.New(s3.Options{
//		Endpoint:  "s3.eu-west-1.amazonaws.com",
//		Region:    "eu-west-1",
//		Bucket:    "apps",
//		AccessKey: id,
//		SecretKey: secret,
//	})
//	if err != nil {
//		return err
//	}
//	defer provider.Close()
//	apps, err := bucket.New(bucket.Options{Provider: provider, Dir: cacheDir})
//	if err != nil {
//		return err
//	}
//	revision, err := apps.Resolve(ctx)
//
// # What it guarantees
//
// Secrets are in no error and no name. HTTPS is used unless Options.Insecure
// says otherwise.
//
// # What it does not do
//
// It logs in to no cloud by itself: give Options.Credentials. WebIdentity and
// LDAPIdentity ask a token service for keys.
package s3
