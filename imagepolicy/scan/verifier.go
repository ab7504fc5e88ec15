package scan

import "context"

// Verifier accepts or refuses an image by its digest.
type Verifier interface {
	// Verify returns who signed the image, for people. The error of a refusal
	// wraps ErrNotSigned; any other error means that it could not be found out.
	// Repository is host/path, digest is sha256:….
	Verify(ctx context.Context, repository, digest string) (signer string, err error)
}

// VerifierFunc is a function that is a Verifier.
type VerifierFunc func(ctx context.Context, repository, digest string) (signer string, err error)

// Verify calls f.
func (f VerifierFunc) Verify(ctx context.Context, repository, digest string) (string, error) {
	return f(ctx, repository, digest)
}
