package envsubst

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Sentinels of this package, for errors.Is.
var (
	// ErrSyntax: an expression that opens with ${ is not one of the known forms.
	ErrSyntax = errors.New("bad substitution")
	// ErrUndefined: a variable has no value and the expression gives no default.
	ErrUndefined = errors.New("variable is not set and has no default")
	// ErrName: a variable's name is not letters, digits and underscores, starting with no digit.
	ErrName = errors.New("invalid variable name")
	// ErrLimit: nesting or output is larger than allowed.
	ErrLimit = errors.New("limit exceeded")
	// ErrNotYAML: an object is no longer valid YAML after the substitution.
	ErrNotYAML = errors.New("not valid YAML after substitution")
)

// Error says where an expansion failed.
type Error struct {
	// Op is "expand" or "substitute" (objects).
	Op string
	// Ref names the object, empty for plain text.
	Ref string
	// Field is the path of the field inside the object, empty where it is not known.
	Field string
	// Variable is the variable concerned, empty where there is none.
	Variable string
	// Offset is the byte offset of the expression in the text; Line and Column
	// count from 1, Column in characters. For objects they concern the field's
	// own text. Line 0: unknown.
	Offset, Line, Column int
	// Expression is the beginning of the expression's source, at most 64 bytes.
	Expression string
	// Err is one of the sentinels, possibly wrapped.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("envsubst: ")
	if e.Ref != "" {
		b.WriteString(e.Ref + ": ")
	}
	if e.Field != "" {
		b.WriteString(e.Field + ": ")
	}
	if e.Line > 0 {
		fmt.Fprintf(&b, "line %d, column %d: ", e.Line, e.Column)
	}
	if e.Variable != "" {
		fmt.Fprintf(&b, "%q: ", e.Variable)
	}
	b.WriteString(e.Err.Error())
	if e.Expression != "" {
		fmt.Fprintf(&b, " in %q", e.Expression)
	}
	if errors.Is(e.Err, ErrUndefined) {
		b.WriteString(`; set it, give a default as in ${name:-value}, or write $$ for a literal $`)
	}
	return b.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// position fills Line, Column and Expression from the text.
func (e *Error) position(src string) *Error {
	at := min(e.Offset, len(src))
	e.Line = 1 + strings.Count(src[:at], "\n")
	lineStart := strings.LastIndexByte(src[:at], '\n') + 1
	e.Column = 1 + utf8.RuneCountInString(src[lineStart:at])
	end := len(src)
	if i := strings.IndexAny(src[at:], "}\n"); i >= 0 {
		end = at + i
		if src[end] == '}' {
			end++
		}
	}
	e.Expression = strings.ToValidUTF8(src[at:min(end, at+64)], "")
	return e
}
