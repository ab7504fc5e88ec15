package git

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/transport"

	"github.com/gitopskit/gitopskit/source"
)

// classified is true for errors that have one of the sentinels.
func classified(err error) bool {
	for _, known := range []error{
		source.ErrNotFound, source.ErrAuth, source.ErrHostKey, source.ErrTLS, source.ErrUnreachable, source.ErrInvalid,
		source.ErrUnsafe, source.ErrTooLarge, source.ErrCorrupt, source.ErrVerification, source.ErrFull,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// badAnswer gives a sentinel to errors of go-git about what a server said that
// have no other meaning.
func badAnswer(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx) // which go-git keeps as text only
	}
	if err == nil || isContextError(err) || classified(classify(err, Auth{})) {
		return err
	}
	if strings.Contains(err.Error(), "object-format=sha256") {
		return invalidf("the repository has SHA-256 ids, which the transport %q cannot read: set Options.Transport to TransportGit", TransportGoGit)
	}
	return fmt.Errorf("%w: the server does not answer as Git does: %.300s", source.ErrUnreachable, err.Error())
}

// classify gives an error the sentinel that callers look for.
func classify(err error, auth Auth) error {
	if classified(err) || isContextError(err) {
		return err
	}
	if errors.Is(err, transport.ErrEmptyRemoteRepository) {
		return ErrEmpty
	}
	if told := httpError(err, auth); told != nil {
		return told
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return fmt.Errorf("%w: the host %q has no address: %w", source.ErrUnreachable, dns.Name, err)
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return fmt.Errorf("%w: %w", source.ErrUnreachable, err)
	}
	if errors.Is(err, errMissing) {
		return fmt.Errorf("%w: the server sent an incomplete pack: %w", source.ErrCorrupt, err)
	}
	return err
}
