package celreader

import (
	"errors"
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/ext"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitopskit/gitopskit/ssa/health"
)

// ErrInvalid is wrapped by errors about expressions that are wrong, or do not
// give a bool.
var ErrInvalid = errors.New("invalid CEL expression")

const (
	costLimit     = 1_000_000 // in CEL's units of cost
	maxExpression = 16 << 10  // bytes
)

// Expressions say how the status of one kind is read. Each gives a bool.
type Expressions struct {
	APIVersion string // of the kind; all versions of its group are meant
	Kind       string
	Current    string // required
	InProgress string // default: never
	Failed     string // default: never
}

// Compile returns a reader for the kinds that have expressions; others it reads
// as health.Evaluate does. Errors wrap ErrInvalid.
func Compile(expressions ...Expressions) (health.Reader, error) {
	kinds := make(map[schema.GroupKind]*evaluator, len(expressions))
	var errs []error
	for i, e := range expressions {
		gk, ev, err := e.compile()
		if err == nil && kinds[gk] != nil {
			err = errors.New("the kind has expressions already")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("celreader: expressions %d, %s %s: %w", i, e.APIVersion, e.Kind, err))
			continue
		}
		kinds[gk] = ev
	}
	if errs != nil {
		return nil, errors.Join(errs...)
	}
	return func(obj *unstructured.Unstructured) health.Report {
		ev := kinds[obj.GroupVersionKind().GroupKind()]
		if ev == nil || obj.GetDeletionTimestamp() != nil {
			return health.Evaluate(obj)
		}
		return ev.read(obj)
	}, nil
}

// evaluator has the compiled expressions of a kind, in the order in which they
// are asked.
type evaluator struct{ rules []rule }

type rule struct {
	status  health.Status
	text    string
	program cel.Program
}

func (e *Expressions) compile() (schema.GroupKind, *evaluator, error) {
	gv, err := schema.ParseGroupVersion(e.APIVersion)
	switch {
	case err != nil:
		return schema.GroupKind{}, nil, fmt.Errorf("%w: APIVersion: %w", ErrInvalid, err)
	case e.APIVersion == "" || e.Kind == "":
		return schema.GroupKind{}, nil, fmt.Errorf("%w: APIVersion and Kind are required", ErrInvalid)
	case e.Current == "":
		return schema.GroupKind{}, nil, fmt.Errorf("%w: Current is required", ErrInvalid)
	}
	ev := &evaluator{}
	for _, r := range []rule{{health.InProgress, e.InProgress, nil}, {health.Failed, e.Failed, nil}, {health.Current, e.Current, nil}} {
		if r.text == "" {
			continue
		}
		if r.program, err = compile(r.text); err != nil {
			return schema.GroupKind{}, nil, fmt.Errorf("%s: %w", r.status, err)
		}
		ev.rules = append(ev.rules, r)
	}
	return gv.WithKind(e.Kind).GroupKind(), ev, nil
}

// compile checks an expression. Every name in it that is not a function's is
// taken for a field of the object.
func compile(text string) (cel.Program, error) {
	if len(text) > maxExpression {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrInvalid, maxExpression)
	}
	env, err := cel.NewEnv(cel.OptionalTypes(), ext.Strings(), ext.Lists(), ext.Sets())
	if err != nil {
		return nil, err
	}
	parsed, issues := env.Parse(text)
	if issues.Err() != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, issues.Err())
	}
	var fields []cel.EnvOption
	for _, name := range names(parsed.NativeRep().Expr()) {
		fields = append(fields, cel.Variable(name, cel.DynType))
	}
	if env, err = env.Extend(fields...); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	checked, issues := env.Check(parsed)
	if issues.Err() != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, issues.Err())
	}
	if t := checked.OutputType(); !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.DynType) {
		return nil, fmt.Errorf("%w: it gives %s, not bool", ErrInvalid, t)
	}
	program, err := env.Program(checked, cel.CostLimit(costLimit))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return program, nil
}

// names returns the identifiers of an expression, each once.
func names(expr ast.Expr) []string {
	seen := map[string]bool{}
	var out []string
	ast.PreOrderVisit(expr, ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.IdentKind && !seen[e.AsIdent()] {
			seen[e.AsIdent()] = true
			out = append(out, e.AsIdent())
		}
	}))
	return out
}

func (ev *evaluator) read(obj *unstructured.Unstructured) health.Report {
	if seen, ok, _ := unstructured.NestedInt64(obj.Object, "status", "observedGeneration"); ok && seen < obj.GetGeneration() {
		return health.Report{Status: health.InProgress, Message: "the controller has not seen the latest change"}
	}
	for _, r := range ev.rules {
		yes, err := r.ask(obj.Object)
		if err != nil {
			return health.Report{Status: health.InProgress, Message: fmt.Sprintf("the expression %q can't be evaluated: %v", r.text, err)}
		}
		if yes && r.status == health.Current {
			return health.Report{Status: health.Current}
		}
		if yes {
			return health.Report{Status: r.status, Message: fmt.Sprintf("%q is true", r.text)}
		}
	}
	return health.Report{Status: health.InProgress, Message: fmt.Sprintf("%q is not true", ev.rules[len(ev.rules)-1].text)}
}

func (r *rule) ask(obj map[string]any) (bool, error) {
	out, _, err := r.program.Eval(obj)
	if err != nil {
		return false, err
	}
	yes, ok := out.Value().(bool)
	if !ok {
		return false, fmt.Errorf("it gave %s, not bool", out.Type())
	}
	return yes, nil
}
