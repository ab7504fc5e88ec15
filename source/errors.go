package source

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/gitopskit/gitopskit/source/archive"
)

// What may go wrong, for errors.Is. Errors of the packages below source wrap
// one of these where it applies.
var (
	// ErrNotFound: the repository, reference, revision or object does not
	// exist, or the credentials may not see it.
	ErrNotFound = errors.New("not found")
	// ErrAuth: the server refused the credentials, or wants some.
	ErrAuth = errors.New("authentication failed")
	// ErrHostKey: the SSH server's key is not one of those that are trusted.
	ErrHostKey = errors.New("host key not trusted")
	// ErrTLS: the server's certificate is not trusted, or the server does not
	// trust the client's.
	ErrTLS = errors.New("certificate not trusted")
	// ErrUnreachable: there was no answer, or a broken one.
	ErrUnreachable = errors.New("server not reachable")
	// ErrInvalid: an option is missing or makes no sense. Trying again with
	// the same options fails again.
	ErrInvalid = errors.New("invalid options")
	// ErrUnsafe: the content would lead outside its folder.
	ErrUnsafe = archive.ErrUnsafe
	// ErrTooLarge: the content exceeds a limit.
	ErrTooLarge = archive.ErrTooLarge
	// ErrCorrupt: the content is damaged.
	ErrCorrupt = archive.ErrCorrupt
	// ErrVerification: a signature is missing, wrong or of somebody else.
	ErrVerification = errors.New("verification failed")
	// ErrFull: the disk, or a quota, has no room for what is fetched or stored.
	ErrFull = errors.New("no room left")
)

// Error tells which operation failed on which source.
type Error struct {
	// Op is what was done, such as "resolve", "fetch" or "push".
	Op string
	// Ref is what it was done to: a URL without credentials, a reference or
	// a path in an artifact.
	Ref string
	// Err is the cause.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	if e.Ref == "" {
		return fmt.Sprintf("source: %s: %v", e.Op, e.Err)
	}
	return fmt.Sprintf("source: %s %s: %v", e.Op, e.Ref, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is makes a full disk, a quota and a limit on the size of files an ErrFull,
// whoever met them.
func (e *Error) Is(target error) bool { return target == ErrFull && diskFull(e.Err) } //nolint:errorlint // the sentinel itself

func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}
