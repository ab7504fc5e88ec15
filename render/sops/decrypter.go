package sops

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Options of a Decrypter. Without any key only files that need none pass.
type Options struct {
	// Secret is the data of a Secret in Flux's form: *.agekey holds age
	// identities, *.asc PGP private keys. Other keys are left alone; key sources
	// may use them.
	Secret map[string][]byte
	// Age holds age identities, AGE-SECRET-KEY-1…, one or several a string.
	Age []string
	// PGP holds private keys without passphrase, armored or not.
	PGP [][]byte
	// Sources open data keys of other kinds, asked in order after age and PGP.
	Sources []KeySource
	// MaxSize bounds a file, in bytes. Zero means 5 MiB, as in Flux.
	MaxSize int
}

// Decrypter decrypts files and objects. It is safe for use by several goroutines.
type Decrypter struct {
	sources     []KeySource
	maxSize     int
	fingerprint string
}

// NewDecrypter reads the keys. It fails with ErrKey on one that it can't read,
// naming the entry of Options.Secret.
func NewDecrypter(o Options) (*Decrypter, error) {
	d := &Decrypter{maxSize: o.MaxSize}
	if d.maxSize <= 0 {
		d.maxSize = 5 << 20
	}
	sum := sha256.New()
	var ids ageKeys
	var pgp pgpKeys
	addAge := func(text string) error {
		fmt.Fprintf(sum, "age %d %s\n", len(text), text)
		more, err := parseAge(text)
		ids = append(ids, more...)
		return err
	}
	addPGP := func(text []byte) error {
		fmt.Fprintf(sum, "pgp %d %s\n", len(text), text)
		more, err := parsePGP(text)
		pgp = append(pgp, more...)
		return err
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(o.Secret)) {
		var err error
		switch {
		case strings.HasSuffix(name, ".agekey"):
			err = addAge(string(o.Secret[name]))
		case strings.HasSuffix(name, ".asc"):
			err = addPGP(o.Secret[name])
		}
		var e *Error
		if errors.As(err, &e) {
			e.Ref = name
			errs = append(errs, err)
		}
	}
	for _, text := range o.Age {
		errs = append(errs, addAge(text))
	}
	for _, text := range o.PGP {
		errs = append(errs, addPGP(text))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	d.sources = append([]KeySource{ids, pgp}, o.Sources...)
	for _, s := range o.Sources {
		if f, ok := s.(interface{ Fingerprint() string }); ok {
			fmt.Fprintf(sum, "source %T %s\n", s, f.Fingerprint())
		} else {
			fmt.Fprintf(sum, "source %T\n", s)
		}
	}
	d.fingerprint = hex.EncodeToString(sum.Sum(nil))
	return d, nil
}

// Fingerprint changes when the keys change. It is a hash: it tells nothing of
// them.
func (d *Decrypter) Fingerprint() string { return d.fingerprint }

// Decrypt returns the plaintext of data, in the same format. It fails with
// ErrNotEncrypted, ErrNoKey, ErrMAC, ErrValue, ErrFormat, ErrUnsupported or
// ErrTooLarge.
func (d *Decrypter) Decrypt(ctx context.Context, data []byte, f Format) ([]byte, error) {
	docs, err := d.open(ctx, data, f, true)
	if err != nil {
		return nil, asError("", err)
	}
	if f == Binary {
		content := childOf(docs[0], "data")
		if content.Kind != yaml.ScalarNode {
			return nil, &Error{Op: "decrypt", Err: fmt.Errorf("%w: no binary content", ErrFormat)}
		}
		return []byte(content.Value), nil
	}
	plain, err := emit(docs, f)
	return plain, asError("", err)
}

func asError(ref string, err error) error {
	var e *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		c := *e
		c.Ref = ref
		return &c
	}
	return &Error{Op: "decrypt", Ref: ref, Err: err}
}

// open decrypts data to documents.
func (d *Decrypter) open(ctx context.Context, data []byte, f Format, checkMAC bool) ([]*yaml.Node, error) {
	if len(data) > d.maxSize {
		return nil, fmt.Errorf("%w: %d bytes, %d are allowed", ErrTooLarge, len(data), d.maxSize)
	}
	docs, err := documents(data, f)
	if err != nil {
		return nil, err
	}
	if len(docs) == 0 {
		return nil, ErrNotEncrypted
	}
	m, err := takeMetadata(docs, f)
	if err != nil {
		return nil, err
	}
	return d.openDocuments(ctx, docs, m, f, checkMAC)
}

func (d *Decrypter) openDocuments(ctx context.Context, docs []*yaml.Node, m *metadata, f Format, checkMAC bool) ([]*yaml.Node, error) {
	r, err := m.rules()
	if err != nil {
		return nil, err
	}
	key, err := d.dataKey(ctx, m)
	if err != nil {
		return nil, err
	}
	w := newWalker(r, key, false, f)
	for i, doc := range docs {
		if docs[i], err = w.node(doc, nil); err != nil {
			return nil, err
		}
	}
	if checkMAC {
		return docs, m.checkMAC(key, w.sum())
	}
	return docs, nil
}

func (m *metadata) checkMAC(key []byte, sum string) error {
	modified, err := time.Parse(time.RFC3339, m.LastModified)
	if err != nil {
		return fmt.Errorf("%w: lastmodified is no time", ErrFormat)
	}
	want, err := openValue(m.MAC, key, modified.Format(time.RFC3339))
	if err != nil {
		return ErrMAC
	}
	text, ok := want.(string)
	if !ok || subtle.ConstantTimeCompare([]byte(text), []byte(sum)) != 1 {
		return ErrMAC
	}
	return nil
}

// DecryptFile decrypts data if SOPS encrypted it, and else returns it. The
// format is that of the name, or, for names that tell none, that of the data.
func (d *Decrypter) DecryptFile(ctx context.Context, name string, data []byte) ([]byte, error) {
	written, ok := detect(data)
	if !ok {
		return data, nil
	}
	f := FormatOf(name)
	if f != written {
		f = written
		if written == JSON {
			f = Binary
		}
	}
	plain, err := d.Decrypt(ctx, data, f)
	return plain, asError(name, err)
}

// VerifyFile decrypts data, checks its MAC, and returns nothing of it. In YAML
// each document that SOPS encrypted is checked, together with those of the same
// encryption; what is not encrypted passes.
func (d *Decrypter) VerifyFile(ctx context.Context, name string, data []byte) error {
	f, ok := detect(data)
	if !ok {
		return nil
	}
	if f != YAML {
		_, err := d.DecryptFile(ctx, name, data)
		return err
	}
	if len(data) > d.maxSize {
		return asError(name, fmt.Errorf("%w: %d bytes, %d are allowed", ErrTooLarge, len(data), d.maxSize))
	}
	docs, err := documents(data, YAML)
	if err != nil {
		return asError(name, err)
	}
	together := map[string][]*yaml.Node{}
	var order []string
	for _, doc := range docs {
		mac := childOf(childOf(doc, "sops"), "mac").Value
		if mac == "" {
			continue
		}
		if together[mac] == nil {
			order = append(order, mac)
		}
		together[mac] = append(together[mac], doc)
	}
	for _, mac := range order {
		m, err := takeMetadata(together[mac], YAML)
		if err == nil {
			_, err = d.openDocuments(ctx, together[mac], m, YAML, true)
		}
		if err != nil {
			return asError(name, err)
		}
	}
	return nil
}
