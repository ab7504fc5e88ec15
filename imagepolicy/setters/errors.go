package setters

import (
	"errors"
	"fmt"
)

var (
	// ErrYAML is wrapped by errors about content that cannot be read as YAML in
	// UTF-8.
	ErrYAML = errors.New("not readable as YAML")

	// ErrInvalid is wrapped by errors about an Image that cannot be written.
	ErrInvalid = errors.New("invalid image")

	// ErrChanged is wrapped by errors of Undo when the content is not what the
	// changes made.
	ErrChanged = errors.New("the content has changed since")
)

// Error is the type of all errors that this package returns.
type Error struct {
	// Op is what was being done: "options", "open", "read", "parse", "write", "undo".
	Op string
	// Ref is the file, relative to the folder, or the policy.
	Ref string
	// Err is the reason.
	Err error
}

// Error says what failed, where, and why.
func (e *Error) Error() string { return fmt.Sprintf("setters: %s %s: %v", e.Op, e.Ref, e.Err) }

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }
