package celfilter

import "github.com/gitopskit/gitopskit/internal/celexpr"

// ErrInvalid: the expression is wrong, or does not give a bool.
var ErrInvalid = celexpr.ErrInvalid

// Filter is a compiled expression. Many goroutines may use it.
type Filter struct {
	expr *celexpr.Expr[bool]
}

// Compile parses and checks an expression. Errors wrap [ErrInvalid].
func Compile(expression string) (*Filter, error) {
	expr, err := celexpr.Compile[bool](expression, "req", "res")
	if err != nil {
		return nil, err
	}
	return &Filter{expr: expr}, nil
}

// Match evaluates the expression.
func (f *Filter) Match(req, res any) (bool, error) {
	return f.expr.Eval(map[string]any{"req": req, "res": res})
}
