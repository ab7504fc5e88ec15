package celexpr_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gitopskit/gitopskit/internal/celexpr"
)

func TestExpressionsAreEvaluated(t *testing.T) {
	free, err := celexpr.CompileFree[bool]("status.?phase.orValue('') == 'Running' && spec.items.exists(i, i > 1.0)")
	if err != nil {
		t.Fatal(err)
	}
	object := map[string]any{"status": map[string]any{"phase": "Running"}, "spec": map[string]any{"items": []any{int64(1), int64(2)}}}
	if ok, err := free.Eval(object); err != nil || !ok {
		t.Errorf("%v, %v", ok, err)
	}
	text, err := celexpr.Compile[string]("'%s/%s'.format([a, b.lowerAscii()])", "a", "b")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := text.Eval(map[string]any{"a": "x", "b": "Y"}); err != nil || got != "x/y" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestWrongExpressionsAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"syntax": "a ==", "unknown variable": "c", "type": "'text'", "function": "a.nonsense()", "length": "true" + strings.Repeat(" ", 17<<10),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := celexpr.Compile[bool](text, "a"); !errors.Is(err, celexpr.ErrInvalid) {
				t.Errorf("err = %v", err)
			}
		})
	}
	for _, text := range []string{"a ==", strings.Repeat(" ", 17<<10)} {
		if _, err := celexpr.CompileFree[bool](text); !errors.Is(err, celexpr.ErrInvalid) {
			t.Errorf("err = %v", err)
		}
	}
}

func TestEvaluationIsBoundedAndTyped(t *testing.T) {
	nested, err := celexpr.Compile[bool]("l.all(a, l.all(b, l.all(c, l.all(d, a + b + c + d >= 0))))", "l")
	if err != nil {
		t.Fatal(err)
	}
	many := make([]any, 1000)
	for i := range many {
		many[i] = int64(i)
	}
	if _, err := nested.Eval(map[string]any{"l": many}); err == nil || !strings.Contains(err.Error(), "cost") {
		t.Errorf("err = %v", err)
	}
	dynamic, err := celexpr.Compile[bool]("a", "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dynamic.Eval(map[string]any{"a": "text"}); !errors.Is(err, celexpr.ErrInvalid) {
		t.Errorf("err = %v", err)
	}
}
