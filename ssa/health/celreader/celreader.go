package celreader

import (
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitopskit/gitopskit/internal/celexpr"
	"github.com/gitopskit/gitopskit/ssa/health"
)

// ErrInvalid is wrapped by errors about expressions that are wrong, or do not
// give a bool.
var ErrInvalid = celexpr.ErrInvalid

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
	status health.Status
	text   string
	expr   *celexpr.Expr[bool]
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
		if r.expr, err = celexpr.CompileFree[bool](r.text); err != nil {
			return schema.GroupKind{}, nil, fmt.Errorf("%s: %w", r.status, err)
		}
		ev.rules = append(ev.rules, r)
	}
	return gv.WithKind(e.Kind).GroupKind(), ev, nil
}

func (ev *evaluator) read(obj *unstructured.Unstructured) health.Report {
	if seen, ok, _ := unstructured.NestedInt64(obj.Object, "status", "observedGeneration"); ok && seen < obj.GetGeneration() {
		return health.Report{Status: health.InProgress, Message: "the controller has not seen the latest change"}
	}
	for _, r := range ev.rules {
		yes, err := r.expr.Eval(obj.Object)
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
