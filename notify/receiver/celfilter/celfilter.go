package celfilter

import (
	"errors"
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/ext"
)

// ErrInvalid: the expression is wrong, or does not give a bool.
var ErrInvalid = errors.New("invalid CEL expression")

// costLimit bounds an evaluation, in CEL's units of cost.
const costLimit = 1_000_000

// maxExpression is the longest expression, in bytes.
const maxExpression = 16 << 10

// Filter is a compiled expression. Many goroutines may use it.
type Filter struct {
	program cel.Program
}

// Compile parses and checks an expression. Errors wrap [ErrInvalid].
func Compile(expression string) (*Filter, error) {
	if len(expression) > maxExpression {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrInvalid, maxExpression)
	}
	env, err := cel.NewEnv(cel.Variable("req", cel.DynType), cel.Variable("res", cel.DynType), ext.Strings(), ext.Encoders())
	if err != nil {
		return nil, err
	}
	ast, issues := env.Compile(expression)
	if issues.Err() != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, issues.Err())
	}
	if t := ast.OutputType(); !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.DynType) {
		return nil, fmt.Errorf("%w: it gives %s, not bool", ErrInvalid, t)
	}
	program, err := env.Program(ast, cel.CostLimit(costLimit))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return &Filter{program: program}, nil
}

// Match evaluates the expression.
func (f *Filter) Match(req, res any) (bool, error) {
	out, _, err := f.program.Eval(map[string]any{"req": req, "res": res})
	if err != nil {
		return false, err
	}
	ok, isBool := out.Value().(bool)
	if !isBool {
		return false, fmt.Errorf("%w: it gave %s, not bool", ErrInvalid, out.Type())
	}
	return ok, nil
}
