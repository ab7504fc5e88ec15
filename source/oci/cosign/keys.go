package cosign

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gitopskit/gitopskit/source"
)

// Key is the public half of a key pair. The zero value accepts no signature.
type Key struct {
	public      crypto.PublicKey
	fingerprint string
}

// String is the SHA-256 of the key, as in "SHA256:uNiVztksCsDhcc0u9e8BrrQXVUpKZIDTMczCvj3tD2s".
func (k Key) String() string { return "SHA256:" + k.fingerprint }

// ParseKeys reads the public keys in PEM that data holds, such as cosign.pub:
// ECDSA, RSA of 2048 bits and more, or Ed25519. No key is an error.
func ParseKeys(data []byte) ([]Key, error) {
	var keys []Key
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		k, err := parseKey(block)
		if err != nil {
			return nil, &source.Error{Op: "read cosign key", Err: fmt.Errorf("%w: %w", source.ErrInvalid, err)}
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, &source.Error{Op: "read cosign key", Err: fmt.Errorf("%w: there is no public key in PEM", source.ErrInvalid)}
	}
	return keys, nil
}

func parseKey(block *pem.Block) (Key, error) {
	if block.Type != "PUBLIC KEY" {
		return Key{}, fmt.Errorf("a block of PEM is a %q, not a PUBLIC KEY", block.Type)
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return Key{}, err
	}
	switch p := public.(type) {
	case *ecdsa.PublicKey, ed25519.PublicKey:
	case *rsa.PublicKey:
		if p.N.BitLen() < 2048 {
			return Key{}, errors.New("an RSA key needs 2048 bits")
		}
	default:
		return Key{}, fmt.Errorf("keys of the type %T are not used by cosign", public)
	}
	sum := sha256.Sum256(block.Bytes)
	return Key{public: public, fingerprint: base64.RawStdEncoding.EncodeToString(sum[:])}, nil
}

// KeysFromSecret reads the entries of a Secret whose name ends in .pub, as Flux
// does. A Secret without one is an error, never a reason to accept signatures
// without keys.
func KeysFromSecret(data map[string][]byte) ([]Key, error) {
	var keys []Key
	for _, name := range slices.Sorted(maps.Keys(data)) {
		if !strings.HasSuffix(name, ".pub") {
			continue
		}
		k, err := ParseKeys(data[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		keys = append(keys, k...)
	}
	if len(keys) == 0 {
		return nil, &source.Error{Op: "read cosign keys", Err: fmt.Errorf("%w: the Secret has no entry *.pub", source.ErrInvalid)}
	}
	return keys, nil
}

// verifies tells whether the key's other half signed the message. cosign hashes
// with SHA-256 whatever the key; its newer releases use a larger hash for larger
// curves.
func (k Key) verifies(message, signature []byte) bool {
	switch p := k.public.(type) {
	case *ecdsa.PublicKey:
		sum, larger := sha256.Sum256(message), sha512.Sum384(message)
		largest := sha512.Sum512(message)
		return ecdsa.VerifyASN1(p, sum[:], signature) ||
			p.Curve.Params().BitSize == 384 && ecdsa.VerifyASN1(p, larger[:], signature) ||
			p.Curve.Params().BitSize == 521 && ecdsa.VerifyASN1(p, largest[:], signature)
	case *rsa.PublicKey:
		sum := sha256.Sum256(message)
		return rsa.VerifyPKCS1v15(p, crypto.SHA256, sum[:], signature) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(p, message, signature)
	}
	return false
}
