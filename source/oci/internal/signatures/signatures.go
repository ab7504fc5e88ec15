// Package signatures finds what cosign attached to an artifact, in its three
// ways, and reads what was signed.
package signatures

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/oci"
)

// Media types and annotations of cosign.
// https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md
const (
	MediaTypePayload     = "application/vnd.dev.cosign.simplesigning.v1+json"
	ArtifactTypePayload  = "application/vnd.dev.cosign.artifact.sig.v1+json"
	MediaTypeBundle      = "application/vnd.dev.sigstore.bundle.v0.3+json"
	AnnotationSignature  = "dev.cosignproject.cosign/signature"
	AnnotationCert       = "dev.sigstore.cosign/certificate"
	AnnotationChain      = "dev.sigstore.cosign/chain"
	AnnotationLog        = "dev.sigstore.cosign/bundle"
	AnnotationTimestamp  = "dev.sigstore.cosign/rfc3161timestamp"
	PredicateSign        = "https://sigstore.dev/cosign/sign/v1"
	payloadType          = "cosign container image signature"
	PayloadTypeStatement = "application/vnd.in-toto+json"

	bundlePrefix = "application/vnd.dev.sigstore.bundle"
)

// What one artifact's signatures may amount to; the rest is not looked at.
const (
	maxSignatures = 100
	maxPayload    = 1 << 20
	maxBundle     = 4 << 20
)

// Signature is one signature of an artifact: a Payload with a Signature, or a
// Bundle.
type Signature struct {
	// Payload is what was signed, and Signature the raw signature.
	Payload, Signature []byte
	// Annotations hold certificate and log entry of a signature without key.
	Annotations map[string]string
	// Bundle is a Sigstore bundle in JSON.
	Bundle []byte
}

// First calls check with each signature of the artifact until one is accepted,
// and returns what check returned for it. If none is, the error wraps
// source.ErrVerification and says why each was refused.
func First(ctx context.Context, client *oci.Client, repository, digest string, check func(Signature) (string, error)) (string, error) {
	f := finder{client: client, repository: repository, digest: digest, check: check}
	signer, err := f.run(ctx)
	if err != nil || signer != "" {
		return signer, err
	}
	if len(f.refused) == 0 {
		return "", fmt.Errorf("%w: nobody signed %s@%s with cosign", source.ErrVerification, repository, digest)
	}
	return "", fmt.Errorf("%w: none of %d signatures of %s@%s is accepted: %w",
		source.ErrVerification, len(f.refused), repository, digest, errors.Join(f.refused[:min(len(f.refused), 5)]...))
}

// finder lives for one call of First.
type finder struct {
	client             *oci.Client
	repository, digest string
	check              func(Signature) (string, error)
	refused            []error
}

func (f *finder) run(ctx context.Context) (string, error) {
	tag := f.repository + ":" + strings.Replace(f.digest, ":", "-", 1) + ".sig"
	m, err := f.client.Manifest(ctx, tag)
	if err == nil {
		if signer, err := f.payloads(ctx, m); err != nil || signer != "" {
			return signer, err
		}
	} else if !errors.Is(err, source.ErrNotFound) {
		return "", err
	}
	attached, err := f.client.Referrers(ctx, f.repository, f.digest)
	if err != nil {
		return "", err
	}
	for _, d := range attached {
		if d.ArtifactType != ArtifactTypePayload && !strings.HasPrefix(d.ArtifactType, bundlePrefix) {
			continue
		}
		m, err := f.client.Manifest(ctx, f.repository+"@"+d.Digest)
		if err != nil {
			return "", err
		}
		signer, err := f.payloads(ctx, m)
		if err == nil && signer == "" {
			signer, err = f.bundles(ctx, m)
		}
		if err != nil || signer != "" {
			return signer, err
		}
	}
	return "", nil
}

// try notes why a signature is refused.
func (f *finder) try(s Signature) string {
	signer, err := f.check(s)
	if err != nil {
		f.refused = append(f.refused, err)
		return ""
	}
	return signer
}

func (f *finder) payloads(ctx context.Context, m oci.Manifest) (string, error) {
	for _, l := range m.Layers {
		encoded := l.Annotations[AnnotationSignature]
		if l.MediaType != MediaTypePayload || encoded == "" {
			continue
		}
		if len(f.refused) >= maxSignatures {
			return "", f.tooMany()
		}
		signature, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			f.refused = append(f.refused, errors.New("the signature is not base64"))
			continue
		}
		payload, err := f.client.Blob(ctx, f.repository, l.Digest, maxPayload)
		if err != nil {
			return "", err
		}
		if signer := f.try(Signature{Payload: payload, Signature: signature, Annotations: l.Annotations}); signer != "" {
			return signer, nil
		}
	}
	return "", nil
}

func (f *finder) bundles(ctx context.Context, m oci.Manifest) (string, error) {
	for _, l := range m.Layers {
		if !strings.HasPrefix(l.MediaType, bundlePrefix) {
			continue
		}
		if len(f.refused) >= maxSignatures {
			return "", f.tooMany()
		}
		bundle, err := f.client.Blob(ctx, f.repository, l.Digest, maxBundle)
		if err != nil {
			return "", err
		}
		if signer := f.try(Signature{Bundle: bundle}); signer != "" {
			return signer, nil
		}
	}
	return "", nil
}

func (f *finder) tooMany() error {
	return fmt.Errorf("%w: the artifact has more than %d signatures, and the first of them are not accepted", source.ErrVerification, maxSignatures)
}

// CheckPayload tells whether a signed payload is about the digest.
func CheckPayload(payload []byte, digest string) error {
	var p struct {
		Critical struct {
			Type  string `json:"type"`
			Image struct {
				Digest string `json:"docker-manifest-digest"`
			} `json:"image"`
		} `json:"critical"`
	}
	if err := json.Unmarshal(payload, &p); err != nil {
		return errors.New("what is signed is no JSON")
	}
	if p.Critical.Type != payloadType && p.Critical.Type != PredicateSign {
		return fmt.Errorf("what is signed has the type %q", p.Critical.Type)
	}
	if p.Critical.Image.Digest != digest {
		return fmt.Errorf("the signature is for %q", p.Critical.Image.Digest)
	}
	return nil
}

// CheckStatement tells whether a signed in-toto statement is cosign's signature
// of the digest, and not some other claim about it.
func CheckStatement(statement []byte, digest string) error {
	var s struct {
		Predicate string `json:"predicateType"`
		Subject   []struct {
			Digest map[string]string `json:"digest"`
		} `json:"subject"`
	}
	if err := json.NewDecoder(bytes.NewReader(statement)).Decode(&s); err != nil {
		return errors.New("the signed statement is no JSON")
	}
	if s.Predicate != PredicateSign {
		return fmt.Errorf("the signed statement is a %q, which is no signature of the artifact", s.Predicate)
	}
	for _, subject := range s.Subject {
		if "sha256:"+subject.Digest["sha256"] == digest {
			return nil
		}
	}
	return errors.New("the signed statement is about other digests")
}
