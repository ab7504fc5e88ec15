package celreader_test

import (
	"errors"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitopskit/gitopskit/ssa/health"
	"github.com/gitopskit/gitopskit/ssa/health/celreader"
)

func database(generation int64, status map[string]any) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "example.com/v1beta1", "kind": "Database", "data": map[string]any{"x": "y"}}}
	u.SetGeneration(generation)
	if status != nil {
		u.Object["status"] = status
	}
	return u
}

func TestStatusByExpressions(t *testing.T) {
	read, err := celreader.Compile(celreader.Expressions{
		APIVersion: "example.com/v1", Kind: "Database",
		InProgress: "status.phase == 'Creating'",
		Failed:     "status.?conditions.orValue([]).exists(c, c.type == 'Broken' && c.status == 'True')",
		Current:    "status.phase in ['Running', 'Odd'] && data.x == 'y' && metadata.generation >= 1",
	})
	if err != nil {
		t.Fatal(err)
	}
	broken := []any{map[string]any{"type": "Broken", "status": "True"}}
	cases := []struct {
		reason string
		obj    *unstructured.Unstructured
		want   health.Status
		says   string
	}{
		{"current", database(1, map[string]any{"phase": "Running"}), health.Current, ""},
		{"in progress", database(1, map[string]any{"phase": "Creating"}), health.InProgress, "is true"},
		{"in progress comes before failed", database(1, map[string]any{"phase": "Creating", "conditions": broken}), health.InProgress, ""},
		{"failed comes before current", database(1, map[string]any{"phase": "Running", "conditions": broken}), health.Failed, "Broken"},
		{"none is true", database(1, map[string]any{"phase": "Other"}), health.InProgress, "is not true"},
		{"a field is not there yet", database(1, nil), health.InProgress, "can't be evaluated"},
		{"a status of an older spec", database(3, map[string]any{"phase": "Running", "observedGeneration": int64(2)}), health.InProgress, "has not seen"},
		{"a status of this spec", database(3, map[string]any{"phase": "Running", "observedGeneration": int64(3)}), health.Current, ""},
		{"another kind", &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Pod", "status": map[string]any{"phase": "Failed"}}}, health.Failed, ""},
	}
	for _, tc := range cases {
		t.Run(tc.reason, func(t *testing.T) {
			got := read(tc.obj)
			if got.Status != tc.want || !strings.Contains(got.Message, tc.says) {
				t.Errorf("got %+v, want %s and %q", got, tc.want, tc.says)
			}
		})
	}
}

func TestWrongExpressionsAreFoundAtOnce(t *testing.T) {
	good := celreader.Expressions{APIVersion: "example.com/v1", Kind: "Database", Current: "true"}
	cases := map[string]func(*celreader.Expressions){
		"no kind":            func(e *celreader.Expressions) { e.Kind = "" },
		"a wrong apiVersion": func(e *celreader.Expressions) { e.APIVersion = "a/b/c" },
		"no Current":         func(e *celreader.Expressions) { e.Current = "" },
		"no syntax":          func(e *celreader.Expressions) { e.Failed = "status.phase ==" },
		"no such function":   func(e *celreader.Expressions) { e.InProgress = "nonsense(status.phase)" },
		"no bool":            func(e *celreader.Expressions) { e.Current = "'text'" },
		"too long":           func(e *celreader.Expressions) { e.Current = "true" + strings.Repeat(" ", 20<<10) },
	}
	for reason, spoil := range cases {
		t.Run(reason, func(t *testing.T) {
			e := good
			spoil(&e)
			if _, err := celreader.Compile(e); !errors.Is(err, celreader.ErrInvalid) {
				t.Errorf("err = %v", err)
			}
		})
	}
	if _, err := celreader.Compile(good, good); err == nil {
		t.Error("two for one kind are taken")
	}
}

func TestWhatIsNoBoolOrTooDearIsInProgress(t *testing.T) {
	for _, text := range []string{"status.list", "status.list.all(a, status.list.all(b, status.list.all(c, status.list.all(d, a + b + c + d >= 0))))"} {
		read, err := celreader.Compile(celreader.Expressions{APIVersion: "example.com/v1", Kind: "Database", Current: text})
		if err != nil {
			t.Fatal(err)
		}
		list := make([]any, 200)
		for i := range list {
			list[i] = int64(i)
		}
		if got := read(database(1, map[string]any{"list": list})); got.Status != health.InProgress {
			t.Errorf("%s: %+v", text, got)
		}
	}
}
