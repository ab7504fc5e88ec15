package keyless

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/oci"
	"github.com/gitopskit/gitopskit/source/oci/internal/signatures"
)

// Identity says who may have signed. Issuer and subject must both be given, each
// as text or as a pattern.
type Identity struct {
	// Issuer is the OpenID Connect issuer, as a whole.
	Issuer string
	// IssuerPattern is a regular expression that must match somewhere in the
	// issuer; write ^ and $ for the whole.
	IssuerPattern string
	// Subject is the certificate's subject alternative name, as a whole: an
	// e-mail address or the URL of a workflow.
	Subject string
	// SubjectPattern is a regular expression that must match somewhere in it.
	SubjectPattern string
}

// Options says whose signatures count.
type Options struct {
	// Identities are those of which one must have signed. Required.
	Identities []Identity
	// TrustedRoot is a trusted_root.json, for a Sigstore of one's own. Empty
	// asks the public one's, by TUF, and again each day.
	TrustedRoot []byte
	// Dir is the folder that keeps what TUF gave. Empty keeps it in memory.
	Dir string
	// TUFMirror and TUFRoot, a root.json, are asked instead of the public
	// ones where TrustedRoot is empty. Both or none.
	TUFMirror string
	TUFRoot   []byte
}

// Verifier is an oci.Verifier. It is safe for concurrent use.
type Verifier struct {
	identities []verify.PolicyOption
	roots      *roots
}

var _ oci.Verifier = (*Verifier)(nil)

// New checks the options. It makes no request.
func New(opts Options) (*Verifier, error) {
	v, err := newVerifier(opts)
	if err != nil {
		return nil, &source.Error{Op: "open keyless verifier", Err: fmt.Errorf("%w: %w", source.ErrInvalid, err)}
	}
	return v, nil
}

func newVerifier(opts Options) (*Verifier, error) {
	if len(opts.Identities) == 0 {
		return nil, errors.New("set Options.Identities: without, anybody's signature would do")
	}
	v := &Verifier{}
	for i, id := range opts.Identities {
		policy, err := id.policy()
		if err != nil {
			return nil, fmt.Errorf("identity %d: %w", i, err)
		}
		v.identities = append(v.identities, policy)
	}
	var err error
	v.roots, err = newRoots(opts)
	return v, err
}

func (id Identity) policy() (verify.PolicyOption, error) {
	switch {
	case (id.Issuer == "") == (id.IssuerPattern == ""):
		return nil, errors.New("set either Issuer or IssuerPattern")
	case (id.Subject == "") == (id.SubjectPattern == ""):
		return nil, errors.New("set either Subject or SubjectPattern")
	}
	for _, p := range []string{id.IssuerPattern, id.SubjectPattern} {
		if _, err := regexp.Compile(p); err != nil {
			return nil, err
		}
	}
	identity, err := verify.NewShortCertificateIdentity(id.Issuer, id.IssuerPattern, id.Subject, id.SubjectPattern)
	if err != nil {
		return nil, err
	}
	return verify.WithCertificateIdentity(identity), nil
}

// Verify implements oci.Verifier. The signer is named by subject and issuer.
func (v *Verifier) Verify(ctx context.Context, client *oci.Client, repository, digest string) (signer string, err error) {
	trusted, err := v.roots.get(ctx)
	if err != nil {
		return "", &source.Error{Op: "read Sigstore's trusted root", Err: err}
	}
	checker, err := newChecker(trusted)
	if err != nil {
		return "", &source.Error{Op: "read Sigstore's trusted root", Err: fmt.Errorf("%w: %w", source.ErrInvalid, err)}
	}
	return signatures.First(ctx, client, repository, digest, func(s signatures.Signature) (string, error) {
		if s.Bundle != nil {
			return v.statement(checker, s.Bundle, digest)
		}
		return v.payload(checker, s, digest)
	})
}

func newChecker(trusted root.TrustedMaterial) (*verify.Verifier, error) {
	return verify.NewVerifier(trusted,
		verify.WithSignedCertificateTimestamps(1), verify.WithTransparencyLog(1), verify.WithObserverTimestamps(1))
}

// payload verifies a signature in cosign's own format.
func (v *Verifier) payload(checker *verify.Verifier, s signatures.Signature, digest string) (string, error) {
	b, err := fromAnnotations(s)
	if err != nil {
		return "", err
	}
	who, err := v.check(checker, b, verify.WithArtifact(bytes.NewReader(s.Payload)))
	if err != nil {
		return "", err
	}
	return who, signatures.CheckPayload(s.Payload, digest)
}

// statement verifies a Sigstore bundle.
func (v *Verifier) statement(checker *verify.Verifier, data []byte, digest string) (string, error) {
	b := &bundle.Bundle{}
	if err := b.UnmarshalJSON(data); err != nil {
		return "", fmt.Errorf("the bundle cannot be read: %w", err)
	}
	envelope, err := b.Envelope()
	if err != nil || envelope.PayloadType != signatures.PayloadTypeStatement {
		return "", errors.New("the bundle holds no signed statement")
	}
	raw, err := hex.DecodeString(strings.TrimPrefix(digest, "sha256:"))
	if err != nil {
		return "", fmt.Errorf("%q is no digest", digest)
	}
	who, err := v.check(checker, b, verify.WithArtifactDigest("sha256", raw))
	if err != nil {
		return "", err
	}
	statement, err := envelope.DecodeB64Payload()
	if err != nil {
		return "", err
	}
	return who, signatures.CheckStatement(statement, digest)
}

func (v *Verifier) check(checker *verify.Verifier, b *bundle.Bundle, artifact verify.ArtifactPolicyOption) (string, error) {
	result, err := checker.Verify(b, verify.NewPolicy(artifact, v.identities...))
	if err != nil {
		return "", err
	}
	if result.Signature == nil || result.Signature.Certificate == nil {
		return "", errors.New("the signature has no certificate")
	}
	c := result.Signature.Certificate
	return c.SubjectAlternativeName + " of " + c.Issuer, nil
}
