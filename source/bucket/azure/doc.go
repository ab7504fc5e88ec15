// Package azure reads containers of Azure Blob Storage by its REST API, with the
// standard library alone.
//
//	provider, err := azure.New(azure.Options{
//		Endpoint:   "https://account.blob.core.windows.net",
//		Container:  "apps",
//		AccountKey: key,
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
//	if err != nil {
//		return err
//	}
//	artifact, err := apps.Fetch(ctx, revision)
//
// # What it guarantees
//
// The account's key signs requests and is not sent; a shared access signature is
// sent to the endpoint alone, since no request is redirected. Secrets are in no
// error and no name.
//
// # What it does not do
//
// It looks for no credentials: give a key, a shared access signature, an
// application with a secret or certificate, or a Token, such as those of
// ManagedIdentity and WorkloadIdentity.
package azure
