package ssa

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gitopskit/gitopskit/inventory"
)

var (
	// ErrInvalid: an object is refused by the API, or has no form that could be
	// sent to it. The error's text names field and cause.
	ErrInvalid = errors.New("invalid object")

	// ErrUnknownKind: the cluster serves no such kind, and no
	// CustomResourceDefinition in the set defines it.
	ErrUnknownKind = errors.New("unknown kind")

	// ErrForbidden: the account may not do this.
	ErrForbidden = errors.New("forbidden")

	// ErrImmutable: a field that can't be changed would have to be. See
	// ApplyOptions.RecreateImmutable.
	ErrImmutable = errors.New("immutable field")

	// ErrConflict: another field manager owns a field, and the policy says not
	// to take it.
	ErrConflict = errors.New("field is owned by another manager")

	// ErrCycle: objects depend on each other in a circle.
	ErrCycle = errors.New("dependency cycle")

	// ErrDependency: an object was not applied because one that it depends on
	// is not there.
	ErrDependency = errors.New("a dependency is missing")

	// ErrPruneRefused: more objects would be pruned than ApplyOptions allow.
	ErrPruneRefused = errors.New("too many objects to prune")

	// ErrNamespaceMissing: the object's namespace does not exist and is not in
	// the set.
	ErrNamespaceMissing = errors.New("namespace does not exist")

	// ErrTerminating: the object, or its namespace, is being deleted.
	ErrTerminating = errors.New("being deleted")
)

// An Error is one failed operation on one object. errors.Is finds the sentinel
// errors above and the API's own errors through it.
type Error struct {
	Op     string // "prepare", "validate", "apply", "prune", "recreate", "read"
	Ref    inventory.Ref
	Origin string   // where the object was written down, where that is known
	Fields []string // paths of the fields that are to blame, where the API names them
	Err    error
}

// Error returns a line of the form
//
//	apply Deployment/shop/web (apps/web.yaml): invalid object: spec.replicas: must be >= 0
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	b.WriteByte(' ')
	b.WriteString(e.Ref.String())
	if e.Origin != "" {
		fmt.Fprintf(&b, " (%s)", e.Origin)
	}
	b.WriteString(": ")
	b.WriteString(e.Err.Error())
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
