// Package oci fetches artifacts from OCI registries, and pushes, tags, lists and
// compares them.
//
//	client, err := oci.NewClient(oci.ClientOptions{Auth: oci.Auth{Username: "bot", Password: token}})
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//	cache, err := oci.OpenCache(dir)
//	if err != nil {
//		return err
//	}
//	app, err := oci.New(oci.Options{
//		URL:       "oci://ghcr.io/stefanprodan/manifests/podinfo",
//		Reference: oci.Reference{SemVer: "6.x"},
//		Client:    client,
//		Cache:     cache,
//	})
//	if err != nil {
//		return err
//	}
//	revision, err := app.Resolve(ctx) // 6.5.1@sha256:3b4c…
//	if err != nil {
//		return err
//	}
//	artifact, err := app.Fetch(ctx, revision)
//
// # What it guarantees
//
// Artifacts have Flux's media types, and the same files give the same digest.
// What is fetched is the digest that was resolved, never the tag asked again; a
// layer counts once all of its bytes have its digest, whatever follows the
// archive in them. A digest that is in the cache costs no request. Credentials
// go to the registry they are for, matched as a whole name. Plain HTTP is used
// only for the registries that ClientOptions.Insecure names. With a Verifier,
// such as those of the packages below this one, nothing of an artifact is used
// before its digest is verified.
//
// # What it does not do
//
// It logs in to no cloud by itself: give ClientOptions.Credentials, such as
// that of the module source/aws. It builds no container images.
package oci
