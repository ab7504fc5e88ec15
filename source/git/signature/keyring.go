package signature

import (
	"bytes"
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"golang.org/x/crypto/ssh"
)

// Keyring holds the public keys that are trusted. The zero value trusts none.
type Keyring struct {
	pgp openpgp.EntityList
	ssh []ssh.PublicKey
	bad error // what could not be read, for messages
}

// AddPGP adds the keys of an armored key ring. The error wraps ErrKey; keys
// that were added before stay.
func (k *Keyring) AddPGP(armored []byte) error {
	list, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(armored))
	if err != nil {
		return fmt.Errorf("%w: PGP: %w", ErrKey, err)
	}
	k.pgp = append(k.pgp, list...)
	return nil
}

// AddSSH adds the keys of lines in the format of authorized_keys. Lines that
// cannot be read are passed over; if no line can, the error wraps ErrKey.
func (k *Keyring) AddSSH(authorizedKeys []byte) error {
	var bad error
	found := false
	for n, line := range bytes.Split(authorizedKeys, []byte("\n")) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		key, _, _, _, err := ssh.ParseAuthorizedKey(line)
		if err != nil {
			bad = fmt.Errorf("%w: SSH, line %d: %w", ErrKey, n+1, err)
			continue
		}
		found = true
		k.ssh = append(k.ssh, key)
	}
	if !found && bad == nil {
		bad = fmt.Errorf("%w: SSH: no key", ErrKey)
	}
	if found {
		bad = nil
	}
	return bad
}

// KeyringFromSecret reads the data of a Kubernetes Secret as Flux does: keys
// ending in .sshpub hold SSH keys, all others PGP key rings. What cannot be
// read is passed over as long as there is a key that can; else the error wraps
// ErrKey.
func KeyringFromSecret(data map[string][]byte) (Keyring, error) {
	names := make([]string, 0, len(data))
	for name := range data {
		names = append(names, name)
	}
	sort.Strings(names)
	var k Keyring
	var bad []error
	for _, name := range names {
		add := k.AddPGP
		if strings.HasSuffix(name, ".sshpub") {
			add = k.AddSSH
		}
		if err := add(data[name]); err != nil {
			bad = append(bad, fmt.Errorf("%s: %w", name, err))
		}
	}
	k.bad = errors.Join(bad...)
	if k.Empty() {
		if k.bad == nil {
			k.bad = fmt.Errorf("%w: there is none", ErrKey)
		}
		return Keyring{}, k.bad
	}
	return k, nil
}

// Empty tells whether no key is trusted.
func (k Keyring) Empty() bool { return len(k.pgp) == 0 && len(k.ssh) == 0 }

// VerifyCommit checks the bytes of a commit object and returns who signed it,
// such as "PGP key 3AA5C34371567BD2" or "SSH key SHA256:…".
func (k Keyring) VerifyCommit(raw []byte) (signer string, err error) {
	payload, sig, err := SplitCommit(raw)
	if err != nil {
		return "", err
	}
	return k.verify(payload, sig)
}

// VerifyTag checks the bytes of an annotated tag and returns who signed it.
func (k Keyring) VerifyTag(raw []byte) (signer string, err error) {
	payload, sig, err := SplitTag(raw)
	if err != nil {
		return "", err
	}
	return k.verify(payload, sig)
}

func (k Keyring) verify(payload, sig []byte) (string, error) {
	var signer string
	var err error
	if bytes.HasPrefix(sig, []byte(sshBegin)) {
		var key ssh.PublicKey
		if key, err = verifySSH(payload, sig, k.ssh); err == nil {
			signer = "SSH key " + ssh.FingerprintSHA256(key)
		}
	} else {
		var e *openpgp.Entity
		if e, err = verifyPGP(payload, sig, k.pgp); err == nil {
			signer = "PGP key " + e.PrimaryKey.KeyIdString()
		}
	}
	if err != nil && k.bad != nil {
		err = fmt.Errorf("%w (some keys were passed over: %w)", err, k.bad)
	}
	return signer, err
}

func verifyPGP(payload, sig []byte, keys openpgp.EntityList) (*openpgp.Entity, error) {
	e, err := openpgp.CheckArmoredDetachedSignature(keys, bytes.NewReader(payload), bytes.NewReader(sig), nil)
	switch {
	case errors.Is(err, pgperrors.ErrUnknownIssuer):
		return nil, ErrUntrusted
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrBad, err)
	case e == nil || e.PrimaryKey == nil:
		return nil, ErrUntrusted
	}
	return e, nil
}
