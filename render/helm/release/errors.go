package release

import (
	"errors"
	"strings"
)

// Sentinels of this package, for errors.Is.
var (
	// ErrSpec: a field of the specification or an option is missing or invalid.
	ErrSpec = errors.New("invalid specification")
	// ErrRetriesExceeded: the release failed more often than its retries allow;
	// nothing happens until the specification changes or it is forced.
	ErrRetriesExceeded = errors.New("retries exceeded")
	// ErrMissingRollbackTarget: there is no good revision to roll back to.
	ErrMissingRollbackTarget = errors.New("no revision to roll back to")
	// ErrInstall, ErrUpgrade, ErrTest, ErrRollback, ErrUninstall: the action failed.
	ErrInstall   = errors.New("install failed")
	ErrUpgrade   = errors.New("upgrade failed")
	ErrTest      = errors.New("test failed")
	ErrRollback  = errors.New("rollback failed")
	ErrUninstall = errors.New("uninstall failed")
	// ErrStorage: the release's storage can't be read or written.
	ErrStorage = errors.New("release storage")
	// ErrDrift: objects that drifted could not all be corrected.
	ErrDrift = errors.New("drift correction failed")
	// ErrCRDs: CustomResourceDefinitions of the chart could not be applied.
	ErrCRDs = errors.New("CRDs")
)

// Error says which release and what failed.
type Error struct {
	// Op is the action: "install", "upgrade" and so on, or "observe".
	Op string
	// Ref is namespace/name of the release.
	Ref string
	// Log is the last lines of what Helm logged during the action.
	Log []string
	// Err is the cause, one of the sentinels wrapped.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	msg := "release " + e.Ref + ": " + e.Err.Error()
	if len(e.Log) > 0 {
		msg += "\n\nlast log lines of Helm:\n" + strings.Join(e.Log, "\n")
	}
	return msg
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }
