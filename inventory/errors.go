package inventory

import "errors"

var (
	// ErrMalformed is wrapped by errors about stored data or entries that do
	// not have the form of an inventory.
	ErrMalformed = errors.New("malformed inventory")

	// ErrConflict is wrapped by errors of Save when somebody else has written
	// the stored inventory since it was loaded. Load again and retry.
	ErrConflict = errors.New("inventory was changed by somebody else")

	// ErrTooLarge is wrapped by errors of Save when an inventory does not fit
	// into its store.
	ErrTooLarge = errors.New("inventory is too large for its store")
)

// An Error says which operation failed on which stored inventory. Use
// errors.As to get at it and errors.Is for the sentinel errors it wraps.
type Error struct {
	Op  string // "load", "save", "delete", "decode"
	Ref string // where the inventory is stored
	Err error
}

// Error returns the operation, the place and the cause.
func (e *Error) Error() string {
	s := "inventory: " + e.Op
	if e.Ref != "" {
		s += " " + e.Ref
	}
	return s + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
