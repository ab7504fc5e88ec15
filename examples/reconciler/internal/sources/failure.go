package sources

import (
	"errors"
	"fmt"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/gitopskit/gitopskit/source"
)

// A Failure is an error with what the conditions say of it.
type Failure struct {
	Reason    string
	Condition string // that is true because of it; default FetchFailed
	Stalled   bool   // trying again is of no use: the object has to change
	Err       error
}

func (e *Failure) Error() string { return e.Err.Error() }
func (e *Failure) Unwrap() error { return e.Err }

// Stalled is a failure that only another object can get over.
func Stalled(reason string, err error) error {
	return &Failure{Reason: reason, Stalled: true, Err: err}
}

// Unsupported refuses a field by name, rather than to leave it out without a
// word.
func Unsupported(field, instead string) error {
	return Stalled("Unsupported", fmt.Errorf("%s is not supported by this version of the reconciler: %s", field, instead))
}

// failure says what the conditions say of an error.
func (r *Reconciler) failure(err error) *Failure {
	out := &Failure{Reason: r.Kind.FailedReason(), Err: err}
	var f *Failure
	switch {
	case errors.As(err, &f):
		*out = *f
	case errors.Is(err, source.ErrVerification):
		out.Reason = sourcev1.VerificationError
	case errors.Is(err, source.ErrAuth), errors.Is(err, source.ErrHostKey):
		out.Reason = sourcev1.AuthenticationFailedReason
	}
	if out.Condition == "" {
		out.Condition = sourcev1.FetchFailedCondition
	}
	return out
}
