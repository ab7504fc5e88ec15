package scan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/gitopskit/gitopskit/internal/httpclient"
)

var (
	// ErrInvalid is wrapped by errors about options. It does not go away by trying
	// again.
	ErrInvalid = errors.New("invalid options")

	// ErrAuth: the registry wants other credentials, or the credentials could not
	// be had.
	ErrAuth = errors.New("not allowed")

	// ErrNotFound: the registry has no such repository, tag or digest, or does not
	// show it to these credentials.
	ErrNotFound = errors.New("not found")

	// ErrTLS: a certificate is not trusted.
	ErrTLS = errors.New("certificate not trusted")

	// ErrRateLimited: the registry wants to be asked less often, and for longer
	// than ClientOptions.MaxWait. Error.RetryAfter tells for how long, if the
	// registry did.
	ErrRateLimited = errors.New("too many requests")

	// ErrUnreachable: the registry did not answer, or not properly. It may go away
	// by trying again.
	ErrUnreachable = errors.New("registry unreachable")

	// ErrNotSigned is wrapped by the errors of a Verifier that refuses an image.
	ErrNotSigned = errors.New("not signed by a trusted key")

	// ErrTooYoung is why a tag was passed over that was not seen for long enough.
	ErrTooYoung = errors.New("not seen for long enough")
)

// Error is the type of all errors that this package returns.
type Error struct {
	// Op is what was being done, such as "scan" or "read the digest of".
	Op string
	// Ref is the image, or the field of the options.
	Ref string
	// RetryAfter is how long the registry asked to wait; zero if it did not.
	RetryAfter time.Duration
	// Err is the reason.
	Err error
}

// Error says what failed, where, and why.
func (e *Error) Error() string {
	return strings.TrimSpace("imagepolicy/scan: "+e.Op+" "+e.Ref) + ": " + e.Err.Error()
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

func invalid(field, format string, args ...any) error {
	return &Error{Op: "options", Ref: field, Err: fmt.Errorf("%w: %w", ErrInvalid, fmt.Errorf(format, args...))}
}

// fail gives an error the sentinel that callers look for.
func fail(op, ref string, err error) error {
	var own *Error
	if err == nil || errors.As(err, &own) {
		return err
	}
	e := &Error{Op: op, Ref: ref, Err: classify(err)}
	var limited *limitedError
	if errors.As(err, &limited) {
		e.RetryAfter = limited.after
	}
	return e
}

func classify(err error) error {
	if httpclient.IsCertificateError(err) {
		return fmt.Errorf("%w: set ClientOptions.CA if the registry has an authority of its own: %w", ErrTLS, err)
	}
	for _, known := range []error{
		ErrInvalid, ErrAuth, ErrNotFound, ErrRateLimited, ErrUnreachable, ErrNotSigned, ErrTooYoung, context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, known) {
			return err
		}
	}
	var answer *transport.Error
	if errors.As(err, &answer) {
		return statusError(answer)
	}
	var op *net.OpError
	if errors.As(err, &op) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) ||
		strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return err
}

func statusError(answer *transport.Error) error {
	words := http.StatusText(answer.StatusCode)
	for i, d := range answer.Errors {
		if i == 0 {
			words = ""
		}
		words = strings.TrimSpace(words + " " + string(d.Code) + " " + d.Message)
	}
	why := fmt.Errorf("HTTP %d: %s", answer.StatusCode, words)
	switch code := answer.StatusCode; {
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return fmt.Errorf("%w: %w", ErrAuth, why)
	case code == http.StatusNotFound:
		return fmt.Errorf("%w: %w", ErrNotFound, why)
	case code == http.StatusTooManyRequests:
		return fmt.Errorf("%w: %w", ErrRateLimited, why)
	case code >= 500:
		return fmt.Errorf("%w: %w", ErrUnreachable, why)
	}
	return why
}
