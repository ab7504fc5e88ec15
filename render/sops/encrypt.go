package sops

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// EncryptOptions say for whom and what is encrypted.
type EncryptOptions struct {
	// Recipients each open the file alone.
	Recipients []Recipient
	// Groups, instead of Recipients, are key groups of which Threshold together
	// open the file (all of them if Threshold is zero), each by any one of its
	// recipients.
	Groups    [][]Recipient
	Threshold int
	// At most one of these rules: which values are encrypted, or which are not.
	// Without any all are but those below a key that ends in _unencrypted.
	EncryptedRegex, UnencryptedRegex, EncryptedSuffix, UnencryptedSuffix string
	// MACOnlyEncrypted leaves values that are not encrypted out of the MAC.
	MACOnlyEncrypted bool
	// Now is the time that is written into the file. Nil means time.Now.
	Now func() time.Time
}

// version is that of the SOPS whose format is written.
const version = "3.9.0"

// Encrypt writes data, in format f, encrypted. It fails with ErrKey without
// recipients, and with ErrFormat where data is not in the format or is encrypted
// already.
func Encrypt(ctx context.Context, data []byte, f Format, o EncryptOptions) ([]byte, error) {
	out, err := encrypt(ctx, data, f, o)
	if err != nil {
		e := asError("", err).(*Error) //nolint:errorlint // asError made it
		e.Op = "encrypt"
		return nil, e
	}
	return out, nil
}

func encrypt(ctx context.Context, data []byte, f Format, o EncryptOptions) ([]byte, error) {
	docs, err := plainDocuments(data, f)
	if err != nil {
		return nil, err
	}
	now := time.Now
	if o.Now != nil {
		now = o.Now
	}
	m := &metadata{
		LastModified: now().UTC().Format(time.RFC3339), Version: version,
		EncryptedRegex: o.EncryptedRegex, UnencryptedRegex: o.UnencryptedRegex,
		EncryptedSuffix: o.EncryptedSuffix, UnencryptedSuffix: o.UnencryptedSuffix,
		MACOnlyEncrypted: o.MACOnlyEncrypted,
	}
	r, err := m.rules()
	if err != nil {
		return nil, err
	}
	if r.unencryptedSuffix != "" {
		m.UnencryptedSuffix = r.unencryptedSuffix
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	if err := m.seal(ctx, key, o); err != nil {
		return nil, err
	}
	w := newWalker(r, key, true, f)
	for i, doc := range docs {
		if docs[i], err = w.node(doc, nil); err != nil {
			return nil, err
		}
	}
	if m.MAC, err = sealValue(w.sum(), key, m.LastModified); err != nil {
		return nil, err
	}
	for _, doc := range docs {
		if err := putMetadata(doc, m, f); err != nil {
			return nil, err
		}
	}
	return emit(docs, f)
}

func plainDocuments(data []byte, f Format) ([]*yaml.Node, error) {
	if f == Binary {
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		content := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: string(data)}
		n.Content = []*yaml.Node{encode("data"), content}
		return []*yaml.Node{n}, nil
	}
	docs, err := documents(data, f)
	if err != nil {
		return nil, err
	}
	if len(docs) == 0 {
		return nil, fmt.Errorf("%w: it is empty", ErrFormat)
	}
	for _, doc := range docs {
		for i := 0; i < len(doc.Content); i += 2 {
			key := doc.Content[i].Value
			if f == Dotenv && strings.HasPrefix(key, flatPrefix) || f != Dotenv && key == "sops" {
				return nil, fmt.Errorf("%w: it has a key %s: is it encrypted already?", ErrFormat, key)
			}
		}
	}
	return docs, nil
}

// seal encrypts the data key for all.
func (m *metadata) seal(ctx context.Context, key []byte, o EncryptOptions) error {
	groups := o.Groups
	if len(groups) == 0 {
		groups = [][]Recipient{o.Recipients}
	}
	parts := [][]byte{key}
	if len(groups) > 1 {
		m.ShamirThreshold = o.Threshold
		if m.ShamirThreshold == 0 {
			m.ShamirThreshold = len(groups)
		}
		var err error
		if parts, err = splitSecret(key, len(groups), m.ShamirThreshold); err != nil {
			return err
		}
		m.KeyGroups = make([]keyLists, len(groups))
	}
	for i, group := range groups {
		to := &m.keyLists
		if len(groups) > 1 {
			to = &m.KeyGroups[i]
		}
		if len(group) == 0 {
			return fmt.Errorf("%w: no recipient; set EncryptOptions.Recipients", ErrKey)
		}
		for _, recipient := range group {
			k, err := recipient.SealDataKey(ctx, parts[i])
			if err != nil {
				return err
			}
			to.add(k)
		}
	}
	return nil
}
