package printable

import "testing"

func TestALineStaysOne(t *testing.T) {
	for in, want := range map[string]string{"web": "web", "a\nb": `a\x0ab`, "a\tb": "a b", "é\u2028": `é\u2028`, "\xff": `\xff`} {
		if got := Line(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := Text("a\nb\x1b"); got != "a\nb\\x1b" {
		t.Errorf("%q", got)
	}
}
