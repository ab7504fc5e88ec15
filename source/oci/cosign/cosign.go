package cosign

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/oci"
	"github.com/gitopskit/gitopskit/source/oci/internal/signatures"
)

// Options says whose signatures count.
type Options struct {
	// Keys are those of which one must have signed. Required.
	Keys []Key
}

// Verifier is an oci.Verifier. It is safe for concurrent use.
type Verifier struct{ keys []Key }

var _ oci.Verifier = (*Verifier)(nil)

// New checks the options.
func New(opts Options) (*Verifier, error) {
	if len(opts.Keys) == 0 {
		return nil, &source.Error{Op: "open cosign verifier", Err: fmt.Errorf("%w: set Options.Keys to at least one key", source.ErrInvalid)}
	}
	return &Verifier{keys: append([]Key(nil), opts.Keys...)}, nil
}

// Verify implements oci.Verifier. The signer is named like "cosign key SHA256:…".
func (v *Verifier) Verify(ctx context.Context, client *oci.Client, repository, digest string) (signer string, err error) {
	return signatures.First(ctx, client, repository, digest, func(s signatures.Signature) (string, error) {
		if s.Bundle != nil {
			return v.bundle(s.Bundle, digest)
		}
		k, err := v.signer(s.Payload, s.Signature)
		if err != nil {
			return "", err
		}
		return k, signatures.CheckPayload(s.Payload, digest)
	})
}

var errOtherKey = errors.New("another key signed, or what was signed has been changed")

func (v *Verifier) signer(message, signature []byte) (string, error) {
	for _, k := range v.keys {
		if k.verifies(message, signature) {
			return "cosign key " + k.String(), nil
		}
	}
	return "", errOtherKey
}

// bundle verifies a Sigstore bundle with a DSSE envelope.
// https://github.com/sigstore/protobuf-specs and https://github.com/secure-systems-lab/dsse
func (v *Verifier) bundle(data []byte, digest string) (string, error) {
	var b struct {
		Envelope *struct {
			Payload     []byte `json:"payload"`
			PayloadType string `json:"payloadType"`
			Signatures  []struct {
				Sig []byte `json:"sig"`
			} `json:"signatures"`
		} `json:"dsseEnvelope"`
	}
	if err := json.Unmarshal(data, &b); err != nil {
		return "", errors.New("the bundle is no JSON")
	}
	if b.Envelope == nil || b.Envelope.PayloadType != signatures.PayloadTypeStatement {
		return "", errors.New("the bundle holds no signed statement")
	}
	// A second signature could be of anybody; cosign makes one.
	if len(b.Envelope.Signatures) != 1 {
		return "", fmt.Errorf("the bundle has %d signatures, not one", len(b.Envelope.Signatures))
	}
	message := fmt.Appendf(nil, "DSSEv1 %d %s %d ", len(b.Envelope.PayloadType), b.Envelope.PayloadType, len(b.Envelope.Payload))
	k, err := v.signer(append(message, b.Envelope.Payload...), b.Envelope.Signatures[0].Sig)
	if err != nil {
		return "", err
	}
	return k, signatures.CheckStatement(b.Envelope.Payload, digest)
}
