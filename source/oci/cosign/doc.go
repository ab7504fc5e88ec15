// Package cosign verifies artifacts that were signed with cosign and a key pair.
// It needs nothing beyond the standard library; signatures without a key are
// for the module keyless beside this package.
//
//	keys, err := cosign.KeysFromSecret(secret) // its entries *.pub
//	if err != nil {
//		return err
//	}
//	verifier, err := cosign.New(cosign.Options{Keys: keys})
//	if err != nil {
//		return err
//	}
//	app, err := oci.New(oci.Options{URL: url, Client: client, Cache: cache, Verifier: verifier})
//	if err != nil {
//		return err
//	}
//	revision, err := app.Resolve(ctx)
//	if err != nil {
//		return err
//	}
//	artifact, err := app.Fetch(ctx, revision) // fails unless one of the keys signed it
//	who := artifact.Metadata()[oci.MetadataSigner]
//
// # What it guarantees
//
// The digest that is verified is the digest that is used. Signatures are found
// where cosign puts them: under the tag sha256-<digest>.sig, and attached by OCI
// 1.1's subject, as payloads or as Sigstore bundles. Without a key nothing is
// accepted; there is no way from here to signatures without keys. Other claims
// by the same key, such as attestations, are no signature.
//
// # What it does not do
//
// It asks no transparency log: who holds the key is trusted, as with Flux. It
// does not sign.
package cosign
