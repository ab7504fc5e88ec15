package signature

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/ProtonMail/go-crypto/openpgp"
	"golang.org/x/crypto/ssh"
)

// Signer makes armored signatures. Its String shows the public half only.
type Signer struct {
	pgp *openpgp.Entity
	ssh ssh.Signer
}

// NewPGPSigner reads an armored private key, decrypting it with the passphrase
// if it is encrypted. The first key that can sign counts. The error wraps
// ErrKey.
func NewPGPSigner(armored []byte, passphrase string) (*Signer, error) {
	list, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(armored))
	if err != nil {
		return nil, fmt.Errorf("%w: PGP: %w", ErrKey, err)
	}
	for _, e := range list {
		if e.PrivateKey == nil {
			continue
		}
		if e.PrivateKey.Encrypted {
			if passphrase == "" {
				return nil, fmt.Errorf("%w: the PGP key is encrypted: give its passphrase", ErrKey)
			}
			if err := e.DecryptPrivateKeys([]byte(passphrase)); err != nil {
				return nil, fmt.Errorf("%w: PGP: wrong passphrase: %w", ErrKey, err)
			}
		}
		return &Signer{pgp: e}, nil
	}
	return nil, fmt.Errorf("%w: the PGP key ring has no private key", ErrKey)
}

// NewSSHSigner reads a private key in OpenSSH's format or PEM. The error wraps
// ErrKey.
func NewSSHSigner(private []byte, passphrase string) (*Signer, error) {
	key, err := ssh.ParsePrivateKey(private)
	var missing *ssh.PassphraseMissingError
	if errors.As(err, &missing) {
		if passphrase == "" {
			return nil, fmt.Errorf("%w: the SSH key is encrypted: give its passphrase", ErrKey)
		}
		key, err = ssh.ParsePrivateKeyWithPassphrase(private, []byte(passphrase))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: SSH: %w", ErrKey, err)
	}
	return &Signer{ssh: key}, nil
}

// Sign returns an armored signature of the payload.
func (s *Signer) Sign(payload []byte) ([]byte, error) {
	if s.ssh != nil {
		return signSSH(payload, s.ssh)
	}
	var out bytes.Buffer
	if err := openpgp.ArmoredDetachSign(&out, s.pgp, bytes.NewReader(payload), nil); err != nil {
		return nil, fmt.Errorf("%w: PGP: %w", ErrKey, err)
	}
	return out.Bytes(), nil
}

// String names the key without its private half.
func (s *Signer) String() string {
	if s.ssh != nil {
		return "SSH key " + ssh.FingerprintSHA256(s.ssh.PublicKey())
	}
	return "PGP key " + s.pgp.PrimaryKey.KeyIdString()
}

// GoString is String.
func (s *Signer) GoString() string { return s.String() }
