// Package keyless verifies artifacts that were signed with cosign and an
// identity instead of a key: a short-lived certificate of Sigstore's authority,
// noted in its transparency log. It is a module of its own, since sigstore-go
// brings many dependencies along.
//
//	verifier, err := keyless.New(keyless.Options{
//		Identities: []keyless.Identity{{
//			Issuer:         "https://token.actions.githubusercontent.com",
//			SubjectPattern: `^https://github\.com/stefanprodan/podinfo/\.github/workflows/`,
//		}},
//		Dir: cacheDir,
//	})
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
//	artifact, err := app.Fetch(ctx, revision)
//	who := artifact.Metadata()[oci.MetadataSigner]
//
// # What it guarantees
//
// The certificate leads to a trusted authority, was noted in a certificate log,
// was valid when the signature was noted in the transparency log or by a
// timestamp authority, and names an identity that Options.Identities names;
// without one, New fails. The log's answer comes with the signature: no log is
// asked. Signatures in cosign's own format and as Sigstore bundles are found,
// under the tag sha256-<digest>.sig and attached by OCI 1.1's subject.
//
// # What it does not do
//
// It accepts no signature that was not logged, and none by a key alone: that is
// for package cosign beside this one.
package keyless
