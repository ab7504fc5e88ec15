package scan

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// The format is that of
// https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md.
const (
	simpleSigning       = "application/vnd.dev.cosign.simplesigning.v1+json"
	signatureAnnotation = "dev.cosignproject.cosign/signature"
	signatureType       = "cosign container image signature"
	maxSignatures       = 100
	maxPayload          = 1 << 20
)

// KeyVerifier returns a Verifier that accepts what cosign signed with one of the
// keys: «cosign sign --key cosign.key IMAGE@DIGEST», with the signature beside the
// image under the tag sha256-….sig. Keys are PEM as in cosign.pub: ECDSA, RSA or
// Ed25519. Transparency logs, certificates (keyless signing) and bundles that are
// kept as referrers are not read.
func (c *Client) KeyVerifier(keys ...[]byte) (Verifier, error) {
	v := &keyVerifier{client: c}
	for n, text := range keys {
		key, err := parseKey(text)
		if err != nil {
			return nil, invalid(fmt.Sprintf("keys[%d]", n), "%w", err)
		}
		v.keys = append(v.keys, key)
	}
	if len(v.keys) == 0 {
		return nil, invalid("keys", "give at least one")
	}
	return v, nil
}

type keyVerifier struct {
	client *Client
	keys   []publicKey
}

type publicKey struct {
	key  crypto.PublicKey
	name string
}

func parseKey(text []byte) (publicKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return publicKey{}, errors.New("it is not in PEM, as cosign.pub is")
	}
	if block.Type != "PUBLIC KEY" {
		return publicKey{}, fmt.Errorf("it holds a %s, not a PUBLIC KEY", block.Type)
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return publicKey{}, err
	}
	switch key.(type) {
	case *ecdsa.PublicKey, *rsa.PublicKey, ed25519.PublicKey:
	default:
		return publicKey{}, fmt.Errorf("keys of the kind %T are not known", key)
	}
	sum := sha256.Sum256(block.Bytes)
	return publicKey{key, "cosign key SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])}, nil
}

// signed says whether the key made a signature over a payload.
func (k publicKey) signed(payload, signature []byte) bool {
	sum := sha256.Sum256(payload)
	switch key := k.key.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, sum[:], signature)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(key, payload, signature)
	}
	return false
}

// Verify implements Verifier.
func (v *keyVerifier) Verify(ctx context.Context, repository, digest string) (string, error) {
	signer, err := v.verify(ctx, repository, digest)
	return signer, fail("verify", repository+"@"+digest, err)
}

func (v *keyVerifier) verify(ctx context.Context, repository, digest string) (string, error) {
	repo, err := v.client.repository(repository)
	if err != nil {
		return "", invalid("repository", "%w", err)
	}
	hash, err := v1.NewHash(digest)
	if err != nil {
		return "", invalid("digest", "%w", err)
	}
	opts, err := v.client.session(repo).remote(ctx)
	if err != nil {
		return "", err
	}
	image, err := remote.Image(repo.Tag(hash.Algorithm+"-"+hash.Hex+".sig"), opts...)
	var answer *transport.Error
	if errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound {
		return "", fmt.Errorf("%w: it has no signature", ErrNotSigned)
	}
	if err != nil {
		return "", err
	}
	manifest, err := image.Manifest()
	if err != nil {
		return "", err
	}
	if len(manifest.Layers) > maxSignatures {
		return "", fmt.Errorf("%w: it has more than %d signatures", ErrNotSigned, maxSignatures)
	}
	var refusals []string
	for _, layer := range manifest.Layers {
		signer, refusal, err := v.layer(image, layer, digest)
		if err != nil || signer != "" {
			return signer, err
		}
		refusals = append(refusals, refusal)
	}
	return "", fmt.Errorf("%w: of %d signatures: %s", ErrNotSigned, len(refusals), strings.Join(refusals, "; "))
}

// layer checks one signature. It returns who signed, or why it does not count.
func (v *keyVerifier) layer(image v1.Image, layer v1.Descriptor, digest string) (signer, refusal string, err error) {
	if layer.MediaType != simpleSigning || layer.Size > maxPayload {
		return "", "one is of the kind " + string(layer.MediaType), nil
	}
	signature, err := base64.StdEncoding.DecodeString(layer.Annotations[signatureAnnotation])
	if err != nil {
		return "", "one is not base64", nil //nolint:nilerr // it is a reason to refuse, not a failure
	}
	payload, err := readLayer(image, layer)
	if err != nil {
		return "", "", err
	}
	for _, key := range v.keys {
		if key.signed(payload, signature) {
			if why := speaksOf(payload, digest); why != "" {
				return "", why, nil
			}
			return key.name, "", nil
		}
	}
	return "", "one was made by another key", nil
}

func readLayer(image v1.Image, layer v1.Descriptor) ([]byte, error) {
	l, err := image.LayerByDigest(layer.Digest)
	if err != nil {
		return nil, err
	}
	r, err := l.Compressed()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, maxPayload))
}

// speaksOf says why a signed payload is not about an image; empty means that it
// is.
func speaksOf(payload []byte, digest string) string {
	var p struct {
		Critical struct {
			Image struct {
				Digest string `json:"docker-manifest-digest"`
			} `json:"image"`
			Type string `json:"type"`
		} `json:"critical"`
	}
	switch err := json.Unmarshal(payload, &p); {
	case err != nil:
		return "one is not JSON"
	case p.Critical.Type != signatureType:
		return fmt.Sprintf("one is a %q", p.Critical.Type)
	case p.Critical.Image.Digest != digest:
		return "one is for another image"
	}
	return ""
}
