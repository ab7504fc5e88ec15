package archive

import (
	"errors"
	"fmt"
)

var (
	// ErrUnsafe is wrapped by errors about entries that would lead outside
	// their folder, or that are of a kind no artifact may hold.
	ErrUnsafe = errors.New("unsafe entry")
	// ErrTooLarge is wrapped by errors about streams that exceed a limit.
	ErrTooLarge = errors.New("limit exceeded")
	// ErrCorrupt is wrapped by errors about streams that are no valid tar.gz,
	// or that end too early.
	ErrCorrupt = errors.New("content is corrupt")
)

// Error tells which operation failed on which entry.
type Error struct {
	// Op is the operation: "write", "extract", "scan" or "ignore".
	Op string
	// Path is the entry's name as it was given, empty where none is at fault.
	Path string
	// Err is the cause.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("archive: %s: %v", e.Op, e.Err)
	}
	return fmt.Sprintf("archive: %s %q: %v", e.Op, e.Path, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func fail(op, path string, err error) error {
	return &Error{Op: op, Path: path, Err: err}
}

func unsafef(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnsafe, fmt.Sprintf(format, args...))
}

func tooLargef(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrTooLarge, fmt.Sprintf(format, args...))
}
