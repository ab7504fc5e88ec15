package versions_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitopskit/gitopskit/internal/versions"
)

func TestBest(t *testing.T) {
	tags := []string{"1.0.0", "v1.2.0", "1.10.0", "2.0.0-rc.1", "latest", "1.11", "v2025.02.03", "app-3.0.0", "1.10.0+b"}
	for name, c := range map[string]struct {
		q    versions.Query
		want []string
	}{
		"numbers, not text":      {versions.Query{Range: "1.x"}, []string{"1.10.0", "1.10.0+b"}},
		"no pre-releases":        {versions.Query{Range: "<=2.0.0"}, []string{"1.10.0", "1.10.0+b"}},
		"pre-releases by range":  {versions.Query{Range: ">=1.0.0-0 <=2.0.0"}, []string{"2.0.0-rc.1"}},
		"pre-releases by option": {versions.Query{Range: "<=2.0.0", PreReleases: true}, []string{"2.0.0-rc.1"}},
		"leading zeros":          {versions.Query{Range: "*"}, []string{"v2025.02.03"}},
		"filter":                 {versions.Query{Range: "*", Filter: "^v1"}, []string{"v1.2.0"}},
		"filter with a group":    {versions.Query{Range: "*", Filter: "^app-(?P<version>.*)"}, []string{"app-3.0.0"}},
		"decoded":                {versions.Query{Range: "3.x", Decode: func(s string) string { return strings.TrimPrefix(s, "app-") }}, []string{"app-3.0.0"}},
		"nothing":                {versions.Query{Range: ">9999"}, nil},
	} {
		got, _, err := c.q.Best(tags)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for _, bad := range []versions.Query{{Range: "x.y"}, {Range: "*", Filter: "("}} {
		if _, _, err := bad.Best(tags); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}
