package envsubst

import (
	"errors"
	"strings"
	"testing"
)

func FuzzExpand(f *testing.F) {
	for _, s := range []string{
		"${v}", "$${v}", "${v:1:2}", "${v//a/b}", "${none:-${v^^}}", "${v##*[a-c]}", "${v/\\//x}", "${#v}", "$", "${",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		got, err := Expand(src, Map(vars), Options{AllowUndefined: true, MaxOutput: 1 << 20})
		var e *Error
		switch {
		case err != nil && !errors.As(err, &e):
			t.Fatalf("%q: not an *Error: %v", src, err)
		case err == nil && !strings.Contains(src, "$") && got != src:
			t.Fatalf("%q became %q", src, got)
		}
	})
}
