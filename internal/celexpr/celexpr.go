// Package celexpr compiles expressions that users write in the Common Expression
// Language, with one set of functions and one set of bounds for all of them.
package celexpr

import (
	"errors"
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/ext"
)

// ErrInvalid is wrapped by errors about expressions that are wrong, or give a
// value of another type than is wanted.
var ErrInvalid = errors.New("invalid CEL expression")

const (
	costLimit = 1_000_000 // of an evaluation, in CEL's units of cost
	maxLength = 16 << 10  // bytes
)

// Expr is a compiled expression that gives a T. Many goroutines may use it.
type Expr[T bool | string] struct {
	program cel.Program
}

// Compile parses and checks an expression over the named variables. Errors wrap
// ErrInvalid.
func Compile[T bool | string](text string, variables ...string) (*Expr[T], error) {
	program, err := compile(text, typeOf[T](), variables)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return &Expr[T]{program: program}, nil
}

// CompileFree is Compile for expressions in which every name is a variable, as
// where the fields of an object are.
func CompileFree[T bool | string](text string) (*Expr[T], error) {
	variables, err := names(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return Compile[T](text, variables...)
}

func typeOf[T bool | string]() *cel.Type {
	if _, isBool := any(*new(T)).(bool); isBool {
		return cel.BoolType
	}
	return cel.StringType
}

func newEnv() (*cel.Env, error) {
	return cel.NewEnv(cel.OptionalTypes(), cel.CrossTypeNumericComparisons(true),
		ext.Strings(), ext.Encoders(), ext.Lists(), ext.Sets())
}

func compile(text string, want *cel.Type, variables []string) (cel.Program, error) {
	if len(text) > maxLength {
		return nil, fmt.Errorf("longer than %d bytes", maxLength)
	}
	env, err := newEnv()
	if err != nil {
		return nil, err
	}
	declared := make([]cel.EnvOption, len(variables))
	for i, name := range variables {
		declared[i] = cel.Variable(name, cel.DynType)
	}
	if env, err = env.Extend(declared...); err != nil {
		return nil, err
	}
	checked, issues := env.Compile(text)
	if issues.Err() != nil {
		return nil, issues.Err()
	}
	if t := checked.OutputType(); !t.IsExactType(want) && !t.IsExactType(cel.DynType) {
		return nil, fmt.Errorf("it gives %s, not %s", t, want)
	}
	return env.Program(checked, cel.CostLimit(costLimit))
}

// names returns the identifiers of an expression, each once.
func names(text string) ([]string, error) {
	if len(text) > maxLength {
		return nil, fmt.Errorf("longer than %d bytes", maxLength)
	}
	env, err := newEnv()
	if err != nil {
		return nil, err
	}
	parsed, issues := env.Parse(text)
	if issues.Err() != nil {
		return nil, issues.Err()
	}
	seen := map[string]bool{}
	var out []string
	ast.PreOrderVisit(parsed.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.IdentKind && !seen[e.AsIdent()] {
			seen[e.AsIdent()] = true
			out = append(out, e.AsIdent())
		}
	}))
	return out, nil
}

// Eval evaluates the expression.
func (e *Expr[T]) Eval(variables map[string]any) (T, error) {
	var zero T
	out, _, err := e.program.Eval(variables)
	if err != nil {
		return zero, err
	}
	value, ok := out.Value().(T)
	if !ok {
		return zero, fmt.Errorf("%w: it gave %s, not %s", ErrInvalid, out.Type(), typeOf[T]())
	}
	return value, nil
}
