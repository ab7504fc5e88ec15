// Package notation verifies artifacts that were signed with Notary Project's
// notation. It is a module of its own, since notation-go brings many
// dependencies along.
//
//	opts, err := notation.FromSecret(secret) // trustpolicy.json, *.crt and *.pem
//	if err != nil {
//		return err
//	}
//	verifier, err := notation.New(opts)
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
//	who := artifact.Metadata()[oci.MetadataSigner] // empty: the policy did not ask
//
// # What it guarantees
//
// The trust policy decides by the repository's name. Where its level is skip or
// audit the artifact is used, but does not count as verified: no signer is
// named. Certificates are those of the options alone, whatever the names of the
// policy's trust stores; those of the system are not trusted. At most 50
// signatures of an artifact are tried.
//
// # What it does not do
//
// It runs no plugins: a signature that needs one is refused. Revocation is
// checked by OCSP where a certificate names a responder.
package notation
