package textdiff

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUnified(t *testing.T) {
	numbers := func(change map[int]string) string {
		var b strings.Builder
		for i := range 20 {
			if s, ok := change[i]; ok {
				b.WriteString(s)
				continue
			}
			fmt.Fprintf(&b, "%d\n", i)
		}
		return b.String()
	}
	for name, tc := range map[string]struct{ a, b, want string }{
		"equal":          {"a\n", "a\n", ""},
		"from nothing":   {"", "a\nb\n", "@@ -0,0 +1,2 @@\n+a\n+b\n"},
		"to nothing":     {"a\n", "", "@@ -1,1 +0,0 @@\n-a\n"},
		"one line":       {numbers(nil), numbers(map[int]string{10: "x\n"}), "@@ -8,7 +8,7 @@\n 7\n 8\n 9\n-10\n+x\n 11\n 12\n 13\n"},
		"an added line":  {"a\nb\n", "a\nx\nb\n", "@@ -1,2 +1,3 @@\n a\n+x\n b\n"},
		"two near lines": {numbers(nil), numbers(map[int]string{8: "", 11: "y\n"}), "@@ -6,10 +6,9 @@\n 5\n 6\n 7\n-8\n 9\n 10\n-11\n+y\n 12\n 13\n 14\n"},
		"two far lines": {numbers(nil), numbers(map[int]string{1: "x\n", 18: "y\n"}),
			"@@ -1,5 +1,5 @@\n 0\n-1\n+x\n 2\n 3\n 4\n@@ -16,5 +16,5 @@\n 15\n 16\n 17\n-18\n+y\n 19\n"},
	} {
		if diff := cmp.Diff(tc.want, Unified(tc.a, tc.b)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
