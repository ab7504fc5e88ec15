package imagepolicy

import (
	"errors"
	"fmt"
)

var (
	// ErrInvalid is wrapped by errors of New about a Spec that makes no policy.
	// It does not go away by trying again.
	ErrInvalid = errors.New("invalid policy")

	// ErrNoTag is wrapped by errors of Select when no tag is eligible.
	ErrNoTag = errors.New("no tag is eligible")
)

// Error is the type of all errors that this package returns.
type Error struct {
	// Op is what was being done: "new" or "select".
	Op string
	// Field is the field of Spec at fault, such as "Range"; empty when it is none.
	Field string
	// Ref is the content of that field, or the policy that selected.
	Ref string
	// Err is the reason; it wraps one of the sentinels.
	Err error
}

// Error says what failed, where, and why.
func (e *Error) Error() string {
	if e.Field != "" {
		return fmt.Sprintf("imagepolicy: %s: %s %q: %v", e.Op, e.Field, e.Ref, e.Err)
	}
	return fmt.Sprintf("imagepolicy: %s: %s: %v", e.Op, e.Ref, e.Err)
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

func invalid(field, value, format string, args ...any) error {
	why := fmt.Errorf(format, args...)
	return &Error{Op: "new", Field: field, Ref: value, Err: fmt.Errorf("%w: %w", ErrInvalid, why)}
}
