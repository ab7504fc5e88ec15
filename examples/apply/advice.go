package main

import (
	"errors"
	"fmt"

	"github.com/gitopskit/gitopskit/ssa"
	"github.com/gitopskit/gitopskit/ssa/health"
)

// advise adds to an error which flag may help.
func (j *job) advise(err error) error {
	for _, a := range []struct {
		about  error
		advice string
	}{
		{ssa.ErrPruneRefused, "if they are to go, give --allow-mass-prune=" + j.inventory},
		{ssa.ErrImmutable, "if it may be deleted and created anew, give --recreate-immutable"},
		{ssa.ErrConflict, "leave the field to its owner by --conflicts=yield, or take it by --conflicts=take"},
		{ssa.ErrOwned, "if it is to be yours, give --adopt=any"},
		{ssa.ErrPlanOutdated, "make a new plan by --plan -o json, and look at it"},
		{ssa.ErrNamespaceMissing, "add the Namespace to the manifests, or create it first"},
	} {
		if errors.Is(err, a.about) {
			err = fmt.Errorf("%w\n%s", err, a.advice)
		}
	}
	return err
}

// shownError stands for errors that the progress has shown line by line.
type shownError struct {
	error
	text string
}

func (e shownError) Error() string { return e.text }
func (e shownError) Unwrap() error { return e.error }

// withoutShown returns an error that says in a line what the progress has shown
// already.
func withoutShown(err error, result *ssa.Result) error {
	shown := map[*ssa.Error]bool{}
	for _, o := range result.Failed() {
		if e, ok := o.Err.(*ssa.Error); ok { //nolint:errorlint // this very one is looked for below
			shown[e] = true
		}
	}
	var rest []error
	failed := 0
	for _, e := range flatten(err) {
		object, ok := e.(*ssa.Error) //nolint:errorlint // not one that it wraps
		var unhealthy *health.WaitError
		switch {
		case ok && shown[object]:
			failed++
		case errors.As(e, &unhealthy):
			rest = append(rest, shownError{e, fmt.Sprintf("%v: %s not healthy", unhealthy.Err, count(len(unhealthy.Missing)))})
		default:
			rest = append(rest, e)
		}
	}
	if failed > 0 {
		rest = append(rest, shownError{err, fmt.Sprintf("failed for %d of the objects; what is wrong with them is said above", failed)})
	}
	return errors.Join(rest...)
}

func count(objects int) string {
	if objects == 1 {
		return "1 object is"
	}
	return fmt.Sprintf("%d objects are", objects)
}

// flatten returns the errors that were joined.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	several, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // what wraps a join is an error of its own
	if !ok {
		return []error{err}
	}
	var out []error
	for _, e := range several.Unwrap() {
		out = append(out, flatten(e)...)
	}
	if joined := errors.Join(out...); joined == nil || joined.Error() != err.Error() {
		return []error{err} // it says more than the errors that it wraps
	}
	return out
}
