package setters

import (
	"errors"
	"fmt"
	"strings"
)

var errNoScalar = errors.New("the marker is beside no scalar that can be written (not a block scalar, an alias, an empty value or several lines)")

// Object is what a changed scalar belongs to; its fields are empty where the file
// does not tell.
type Object struct{ APIVersion, Kind, Namespace, Name string }

// String returns kind/namespace/name, without an empty namespace or name.
func (o Object) String() string {
	s := o.Kind
	for _, part := range []string{o.Namespace, o.Name} {
		if part != "" {
			s += "/" + part
		}
	}
	return s
}

// Change is one scalar that was written.
type Change struct {
	// File is relative to the folder, with slashes.
	File string
	// Object is the innermost object that has the scalar.
	Object Object
	// Field is the path in the object, such as spec.containers[0].image.
	Field string
	// Line is the line of the scalar, from 1.
	Line int
	// Policy and Part are what the marker asks for; Image is what the policy chose.
	Policy Policy
	Part   Part
	Image  Image
	// Old and New are the values.
	Old, New string
	// Offset is where OldText stood in the old content, in bytes; OldText and
	// NewText are the values as they are written, with their quotes.
	Offset           int
	OldText, NewText string

	node int // which node of the file it is
}

// String describes the change in one line.
func (c Change) String() string {
	where := strings.TrimLeft(c.Object.String()+" "+c.Field, " ")
	return fmt.Sprintf("%s:%d: %s: %s -> %s (%s)", c.File, c.Line, where, c.Old, c.New, c.Policy)
}

// Skipped is a marker that was not followed, or, with the line 0, a file that was
// left alone.
type Skipped struct {
	File string
	Line int
	Err  error
}

// String describes it in one line.
func (s Skipped) String() string {
	if s.Line == 0 {
		return fmt.Sprintf("%s: %v", s.File, s.Err)
	}
	return fmt.Sprintf("%s:%d: %v", s.File, s.Line, s.Err)
}

// Result is what was done, in the order of the files' names.
type Result struct {
	Changes []Change
	Skipped []Skipped
}
