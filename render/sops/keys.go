package sops

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/ProtonMail/go-crypto/openpgp"
	pgparmor "github.com/ProtonMail/go-crypto/openpgp/armor"
)

// KeySource opens data keys. It returns ErrNoKey for a key that is not its
// own, and must not put keys into errors.
type KeySource interface {
	OpenDataKey(ctx context.Context, k MasterKey) ([]byte, error)
}

// KeySourceFunc is a KeySource as a function.
type KeySourceFunc func(ctx context.Context, k MasterKey) ([]byte, error)

// OpenDataKey calls f.
func (f KeySourceFunc) OpenDataKey(ctx context.Context, k MasterKey) ([]byte, error) {
	return f(ctx, k)
}

// Recipient encrypts data keys for somebody.
type Recipient interface {
	SealDataKey(ctx context.Context, dataKey []byte) (MasterKey, error)
}

const maxDataKey = 1 << 10

// ageKeys opens data keys with age identities.
type ageKeys []age.Identity

func parseAge(text string) (ageKeys, error) {
	ids, err := age.ParseIdentities(strings.NewReader(text))
	if err != nil {
		return nil, &Error{Op: "keys", Err: fmt.Errorf("%w: want lines of AGE-SECRET-KEY-1…", ErrKey)}
	}
	return ids, nil
}

// OpenDataKey implements KeySource.
func (a ageKeys) OpenDataKey(_ context.Context, k MasterKey) ([]byte, error) {
	if k.Kind != KindAge || len(a) == 0 {
		return nil, ErrNoKey
	}
	r, err := age.Decrypt(armor.NewReader(strings.NewReader(k.Encrypted)), a...)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return nil, ErrNoKey
	}
	if err != nil {
		return nil, fmt.Errorf("%w: the data key for %s", ErrFormat, k.ID())
	}
	return readKey(r, k)
}

func readKey(r io.Reader, k MasterKey) ([]byte, error) {
	key, err := io.ReadAll(io.LimitReader(r, maxDataKey))
	if err != nil {
		return nil, fmt.Errorf("%w: the data key for %s", ErrFormat, k.ID())
	}
	return key, nil
}

type ageRecipient string

// AgeRecipient is an age public key, age1….
func AgeRecipient(key string) (Recipient, error) {
	if _, err := age.ParseRecipients(strings.NewReader(key)); err != nil {
		return nil, &Error{Op: "keys", Err: fmt.Errorf("%w: %q is no age recipient", ErrKey, key)}
	}
	return ageRecipient(strings.TrimSpace(key)), nil
}

// SealDataKey implements Recipient.
func (a ageRecipient) SealDataKey(_ context.Context, dataKey []byte) (MasterKey, error) {
	to, err := age.ParseRecipients(strings.NewReader(string(a)))
	if err != nil {
		return MasterKey{}, err
	}
	var out bytes.Buffer
	armored := armor.NewWriter(&out)
	w, err := age.Encrypt(armored, to...)
	if err != nil {
		return MasterKey{}, err
	}
	_, err = w.Write(dataKey)
	if err := errors.Join(err, w.Close(), armored.Close()); err != nil {
		return MasterKey{}, err
	}
	return MasterKey{Kind: KindAge, Encrypted: out.String(), Fields: map[string]string{"recipient": string(a)}}, nil
}

// pgpKeys opens data keys with PGP private keys.
type pgpKeys openpgp.EntityList

func parsePGP(text []byte) (pgpKeys, error) {
	list, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(text))
	if err != nil {
		list, err = openpgp.ReadKeyRing(bytes.NewReader(text))
	}
	if err != nil || len(list) == 0 {
		return nil, &Error{Op: "keys", Err: fmt.Errorf("%w: want a PGP key, armored or not", ErrKey)}
	}
	return pgpKeys(list), nil
}

// OpenDataKey implements KeySource.
func (p pgpKeys) OpenDataKey(_ context.Context, k MasterKey) ([]byte, error) {
	if k.Kind != KindPGP || len(p) == 0 {
		return nil, ErrNoKey
	}
	block, err := pgparmor.Decode(strings.NewReader(k.Encrypted))
	if err != nil {
		return nil, fmt.Errorf("%w: the data key for %s", ErrFormat, k.ID())
	}
	msg, err := openpgp.ReadMessage(block.Body, openpgp.EntityList(p), nil, nil)
	if err != nil {
		return nil, ErrNoKey
	}
	return readKey(msg.UnverifiedBody, k)
}

type pgpRecipient struct {
	entity *openpgp.Entity
}

// PGPRecipient is a PGP public key, armored or not.
func PGPRecipient(key []byte) (Recipient, error) {
	list, err := parsePGP(key)
	if err != nil {
		return nil, err
	}
	return pgpRecipient{list[0]}, nil
}

// SealDataKey implements Recipient.
func (p pgpRecipient) SealDataKey(_ context.Context, dataKey []byte) (MasterKey, error) {
	var out bytes.Buffer
	armored, err := pgparmor.Encode(&out, "PGP MESSAGE", nil)
	if err != nil {
		return MasterKey{}, err
	}
	w, err := openpgp.Encrypt(armored, []*openpgp.Entity{p.entity}, nil, &openpgp.FileHints{IsBinary: true}, nil)
	if err != nil {
		return MasterKey{}, &Error{Op: "encrypt", Err: fmt.Errorf("%w: it can't encrypt", ErrKey)}
	}
	_, err = w.Write(dataKey)
	if err := errors.Join(err, w.Close(), armored.Close()); err != nil {
		return MasterKey{}, err
	}
	return MasterKey{Kind: KindPGP, Encrypted: out.String(), Fields: map[string]string{
		"fp":         fmt.Sprintf("%X", p.entity.PrimaryKey.Fingerprint),
		"created_at": time.Now().UTC().Format(time.RFC3339),
	}}, nil
}

// dataKey opens the data key of a file, from one key group or from as many as
// the threshold says.
func (d *Decrypter) dataKey(ctx context.Context, m *metadata) ([]byte, error) {
	groups := m.groups()
	var parts [][]byte
	var errs []error
	for _, group := range groups {
		part, err := d.openGroup(ctx, group)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		parts = append(parts, part)
	}
	switch {
	case len(groups) == 1 && len(parts) == 1:
		return parts[0], nil
	case len(groups) > 1 && len(parts) >= max(m.ShamirThreshold, 2):
		return combineSecret(parts)
	}
	return nil, errors.Join(errs...)
}

func (d *Decrypter) openGroup(ctx context.Context, group []MasterKey) ([]byte, error) {
	var wanted []string
	var errs []error
	for _, k := range group {
		wanted = append(wanted, k.ID())
		for _, source := range d.sources {
			key, err := source.OpenDataKey(ctx, k)
			if err == nil {
				return key, nil
			}
			if !errors.Is(err, ErrNoKey) {
				errs = append(errs, err)
			}
		}
	}
	err := fmt.Errorf("%w: it is encrypted for %s", ErrNoKey, strings.Join(wanted, ", "))
	return nil, errors.Join(append([]error{err}, errs...)...)
}
