package envsubst

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// FuzzPlainlyEqualsThroughYAML: the short way gives what the long one gives, or
// leaves it to it.
func FuzzPlainlyEqualsThroughYAML(f *testing.F) {
	for _, s := range [][2]string{
		{"${v}", "x"}, {"${v}", "12"}, {"${v}", "012"}, {"${v}", "yes"}, {"${v}", "0x1"}, {"a-${v}", "1e3"}, {"${v}", "a: b"},
		{"${v}", "[a]"}, {"${v}", ""}, {"${v}:", "a"}, {"img:${v}", "1"}, {"$${v}", "x"}, {"${none:-5}", ""}, {"${v^^}", "null"},
		{"https://${v}/x", "h:80"}, {"${v}", "-5"}, {"${v}", "1_000"}, {"${v}", "12:30"}, {"${v}", "2001-01-01"}, {"${v}", "~"}, {"-${v}", "x"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		if !utf8.ValidString(text) || !utf8.ValidString(value) || !strings.Contains(text, "$") {
			t.Skip("objects hold valid UTF-8, and without a dollar nothing is done")
		}
		obj := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "n"},
			"data": map[string]any{"k": text, "l": []any{text, "x"}},
		}}
		s := Substitution{Variables: map[string]string{"v": value}}
		short, err := s.plainly(obj, Options{})
		if err != nil {
			return
		}
		long, err := s.throughYAML(obj, Options{})
		if err != nil {
			t.Fatalf("%q with %q: the short way gives %v, the long one %v", text, value, short.Object["data"], err)
		}
		if diff := cmp.Diff(long.Object, short.Object); diff != "" {
			t.Fatalf("%q with %q: %s", text, value, diff)
		}
	})
}
