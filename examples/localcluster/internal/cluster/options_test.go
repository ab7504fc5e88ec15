package cluster

import "testing"

func TestOptions(t *testing.T) {
	cases := map[string]struct {
		in Options
		ok bool
	}{
		"the zero value is fine":      {Options{}, true},
		"a DNS label names it":        {Options{Name: "a-1"}, true},
		"no path in a name":           {Options{Name: "../a"}, false},
		"no capitals in a name":       {Options{Name: "A"}, false},
		"no negative number of nodes": {Options{Nodes: -1}, false},
		"no port out of range":        {Options{Port: 70000}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if _, err := c.in.withDefaults(); (err == nil) != c.ok {
				t.Errorf("got %v", err)
			}
		})
	}
}
