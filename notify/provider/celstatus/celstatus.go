package celstatus

import (
	"encoding/json"
	"errors"
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/ext"

	"github.com/gitopskit/gitopskit/notify"
)

// costLimit bounds an evaluation, in CEL's units of cost.
const costLimit = 1_000_000

// maxExpression is the longest expression, in bytes.
const maxExpression = 16 << 10

// Expression is a compiled expression. Many goroutines may use it.
type Expression struct {
	program cel.Program
}

// Objects are what an expression sees besides the event, as decoded JSON.
type Objects struct {
	// Provider and Alert are Flux's objects; nil is empty.
	Provider, Alert map[string]any
}

// Compile parses and checks an expression. Errors wrap [notify.ErrInvalid].
func Compile(expression string) (*Expression, error) {
	program, err := compile(expression)
	if err != nil {
		return nil, &notify.Error{Op: "compile commit status", Err: fmt.Errorf("%w: %w", notify.ErrInvalid, err)}
	}
	return &Expression{program: program}, nil
}

func compile(expression string) (cel.Program, error) {
	if len(expression) > maxExpression {
		return nil, fmt.Errorf("longer than %d bytes", maxExpression)
	}
	env, err := cel.NewEnv(
		cel.Variable("event", cel.DynType), cel.Variable("provider", cel.DynType), cel.Variable("alert", cel.DynType),
		cel.OptionalTypes(), cel.CrossTypeNumericComparisons(true), ext.Strings(), ext.Encoders(),
	)
	if err != nil {
		return nil, err
	}
	ast, issues := env.Compile(expression)
	if issues.Err() != nil {
		return nil, issues.Err()
	}
	if t := ast.OutputType(); !t.IsExactType(cel.StringType) && !t.IsExactType(cel.DynType) {
		return nil, fmt.Errorf("it gives %s, not string", t)
	}
	return env.Program(ast, cel.CostLimit(costLimit))
}

// For returns the function for provider.Config.CommitStatus. Its errors wrap
// [notify.ErrInvalid].
func (e *Expression) For(o Objects) func(notify.Event) (string, error) {
	fixed := map[string]any{"provider": orEmpty(o.Provider), "alert": orEmpty(o.Alert)}
	return func(event notify.Event) (string, error) {
		text, err := e.eval(fixed, event)
		if err != nil {
			return "", &notify.Error{Op: "commit status", Ref: event.InvolvedObject.String(), Err: fmt.Errorf("%w: %w", notify.ErrInvalid, err)}
		}
		return text, nil
	}
}

func (e *Expression) eval(fixed map[string]any, event notify.Event) (string, error) {
	data, err := json.Marshal(event)
	if err != nil {
		return "", err
	}
	var decoded map[string]any
	if err := json.Unmarshal(data, &decoded); err != nil {
		return "", err
	}
	if decoded["metadata"] == nil {
		decoded["metadata"] = map[string]any{}
	}
	out, _, err := e.program.Eval(map[string]any{"event": decoded, "provider": fixed["provider"], "alert": fixed["alert"]})
	if err != nil {
		return "", err
	}
	text, ok := out.Value().(string)
	switch {
	case !ok:
		return "", fmt.Errorf("it gave %s, not string", out.Type())
	case text == "":
		return "", errors.New("it gave an empty string")
	}
	return text, nil
}

func orEmpty(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}
