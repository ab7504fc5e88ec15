package update

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrInvalid is wrapped by errors about options. It does not go away by trying
	// again.
	ErrInvalid = errors.New("invalid options")

	// ErrTemplate is wrapped by errors about a template that cannot be read or
	// filled in. It says where.
	ErrTemplate = errors.New("invalid template")

	// ErrPullRequest is wrapped by errors about a pull request that could not be
	// opened. The commit was pushed by then.
	ErrPullRequest = errors.New("no pull request")
)

// Error is the type of all errors that this package returns.
type Error struct {
	// Op is what was being done: "options", "template", "push", "open the pull
	// request".
	Op string
	// Ref is the field of the options, or the branch.
	Ref string
	// Err is the reason.
	Err error
}

// Error says what failed, where, and why.
func (e *Error) Error() string {
	return strings.TrimSpace("imagepolicy/update: "+e.Op+" "+e.Ref) + ": " + e.Err.Error()
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

func invalid(field, format string, args ...any) error {
	return &Error{Op: "options", Ref: field, Err: fmt.Errorf("%w: %w", ErrInvalid, fmt.Errorf(format, args...))}
}
