package celstatus

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/gitopskit/gitopskit/internal/celexpr"
	"github.com/gitopskit/gitopskit/notify"
)

// Expression is a compiled expression. Many goroutines may use it.
type Expression struct {
	expr *celexpr.Expr[string]
}

// Objects are what an expression sees besides the event, as decoded JSON.
type Objects struct {
	// Provider and Alert are Flux's objects; nil is empty.
	Provider, Alert map[string]any
}

// Compile parses and checks an expression. Errors wrap [notify.ErrInvalid].
func Compile(expression string) (*Expression, error) {
	expr, err := celexpr.Compile[string](expression, "event", "provider", "alert")
	if err != nil {
		return nil, &notify.Error{Op: "compile commit status", Err: fmt.Errorf("%w: %w", notify.ErrInvalid, err)}
	}
	return &Expression{expr: expr}, nil
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
	text, err := e.expr.Eval(map[string]any{"event": decoded, "provider": fixed["provider"], "alert": fixed["alert"]})
	if err == nil && text == "" {
		err = errors.New("it gave an empty string")
	}
	return text, err
}

func orEmpty(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}
