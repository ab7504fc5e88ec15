package sops

import (
	"errors"
	"strings"
)

// Sentinels of this package, for errors.Is.
var (
	// ErrNotEncrypted: there is no sops metadata.
	ErrNotEncrypted = errors.New("not encrypted by sops")
	// ErrFormat: file, metadata or an encrypted value is malformed.
	ErrFormat = errors.New("malformed")
	// ErrNoKey: none of the keys given opens the data key.
	ErrNoKey = errors.New("no key for it")
	// ErrMAC: the message authentication code does not match; the file was changed.
	ErrMAC = errors.New("message authentication code does not match")
	// ErrValue: a value can't be decrypted with the file's data key; it was changed or moved.
	ErrValue = errors.New("value can't be authenticated")
	// ErrTooLarge: the input is larger than Options.MaxSize.
	ErrTooLarge = errors.New("too large")
	// ErrKey: a key that was given can't be read.
	ErrKey = errors.New("invalid key")
	// ErrUnsupported: a feature of sops that this package does not have.
	ErrUnsupported = errors.New("not supported")
)

// Error says what failed. It never holds plaintext or keys.
type Error struct {
	// Op is "decrypt", "encrypt" or "keys".
	Op string
	// Ref is a file or object, empty where only bytes were given.
	Ref string
	// Field is the path of the value concerned, its elements joined by dots.
	Field string
	// Err is one of the sentinels, possibly wrapped.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	parts := []string{"sops: " + e.Op}
	if e.Ref != "" {
		parts[0] += " " + e.Ref
	}
	if e.Field != "" {
		parts = append(parts, e.Field)
	}
	return strings.Join(append(parts, e.Err.Error()), ": ")
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }
