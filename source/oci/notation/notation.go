package notation

import (
	"context"
	"errors"
	"fmt"
	"strings"

	notationgo "github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/registry"
	"github.com/notaryproject/notation-go/verifier"
	"github.com/notaryproject/notation-go/verifier/trustpolicy"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/oci"
)

// What is read of the signatures of one artifact.
const (
	maxSignatures = 50
	maxEnvelope   = 4 << 20
)

// Verifier is an oci.Verifier. It is safe for concurrent use.
type Verifier struct {
	policy   *trustpolicy.Document
	verifier notationgo.Verifier
}

var _ oci.Verifier = (*Verifier)(nil)

// New checks the options. It makes no request.
func New(opts Options) (*Verifier, error) {
	v, err := newVerifier(opts)
	if err != nil {
		return nil, &source.Error{Op: "open notation verifier", Err: fmt.Errorf("%w: %w", source.ErrInvalid, err)}
	}
	return v, nil
}

func newVerifier(opts Options) (*Verifier, error) {
	policy, err := readPolicy(opts.TrustPolicy)
	if err != nil {
		return nil, err
	}
	certificates, err := readCertificates(opts.Certificates)
	if err != nil {
		return nil, err
	}
	inner, err := verifier.New(policy, certificates, nil)
	if err != nil {
		return nil, err
	}
	return &Verifier{policy: policy, verifier: inner}, nil
}

// Verify implements oci.Verifier. The signer is the subject of the signing
// certificate, and empty where the policy's level is skip or audit.
func (v *Verifier) Verify(ctx context.Context, client *oci.Client, repository, digest string) (signer string, err error) {
	// The policy's scopes call Docker Hub by its short name.
	reference := strings.TrimPrefix(repository, "index.") + "@" + digest
	rule, err := v.policy.GetApplicableTrustPolicy(reference)
	if err != nil {
		return "", fmt.Errorf("%w: %w", source.ErrVerification, err)
	}
	level, err := rule.SignatureVerification.GetVerificationLevel()
	if err != nil {
		return "", fmt.Errorf("%w: %w", source.ErrVerification, err)
	}
	if level.Name == trustpolicy.LevelSkip.Name {
		return "", nil
	}
	signer, err = v.first(ctx, client, repository, digest, reference)
	if level.Name == trustpolicy.LevelAudit.Name {
		signer = ""
	}
	return signer, err
}

// first returns the signer of the first signature that the policy accepts.
func (v *Verifier) first(ctx context.Context, client *oci.Client, repository, digestText, reference string) (string, error) {
	m, err := client.Manifest(ctx, repository+"@"+digestText)
	if err != nil {
		return "", err
	}
	subject := ocispec.Descriptor{MediaType: m.MediaType, Digest: digest.Digest(m.Digest), Size: m.Size}
	attached, err := client.Referrers(ctx, repository, digestText)
	if err != nil {
		return "", err
	}
	var refused []error
	for _, d := range attached {
		if d.ArtifactType != registry.ArtifactTypeNotation {
			continue
		}
		if len(refused) == maxSignatures {
			return "", fmt.Errorf("%w: the artifact has more than %d signatures, and the first of them are not accepted", source.ErrVerification, maxSignatures)
		}
		envelope, mediaType, err := read(ctx, client, repository, d)
		if err != nil {
			return "", err
		}
		signer, err := v.check(ctx, subject, envelope, mediaType, reference)
		if err == nil {
			return signer, nil
		}
		refused = append(refused, err)
	}
	if len(refused) == 0 {
		return "", fmt.Errorf("%w: nobody signed %s with notation", source.ErrVerification, reference)
	}
	return "", fmt.Errorf("%w: none of %d signatures of %s is accepted: %w", source.ErrVerification, len(refused), reference,
		errors.Join(refused[:min(len(refused), 5)]...))
}

// read returns a signature's envelope and its media type.
func read(ctx context.Context, client *oci.Client, repository string, d oci.Descriptor) ([]byte, string, error) {
	m, err := client.Manifest(ctx, repository+"@"+d.Digest)
	if err != nil {
		return nil, "", err
	}
	if len(m.Layers) != 1 {
		return nil, "", fmt.Errorf("%w: a signature's manifest has %d layers, not one", source.ErrVerification, len(m.Layers))
	}
	envelope, err := client.Blob(ctx, repository, m.Layers[0].Digest, maxEnvelope)
	return envelope, m.Layers[0].MediaType, err
}

func (v *Verifier) check(ctx context.Context, subject ocispec.Descriptor, envelope []byte, mediaType, reference string) (string, error) {
	outcome, err := v.verifier.Verify(ctx, subject, envelope, notationgo.VerifierVerifyOptions{
		ArtifactReference: reference, SignatureMediaType: mediaType,
	})
	if err != nil {
		return "", err
	}
	if outcome.EnvelopeContent == nil || len(outcome.EnvelopeContent.SignerInfo.CertificateChain) == 0 {
		return "", errors.New("the signature has no certificate")
	}
	return outcome.EnvelopeContent.SignerInfo.CertificateChain[0].Subject.String(), nil
}
