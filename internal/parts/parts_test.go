package parts_test

import (
	"fmt"
	"testing"

	"github.com/gitopskit/gitopskit/internal/parts"
)

// recorder notes how a test would have ended.
type recorder struct {
	testing.TB
	ended string
}

func (r *recorder) Helper()                      {}
func (r *recorder) Fatalf(f string, args ...any) { r.ended = "fatal: " + fmt.Sprintf(f, args...) }
func (r *recorder) Skipf(f string, args ...any)  { r.ended = "skip: " + fmt.Sprintf(f, args...) }

func TestRequire(t *testing.T) {
	cases := map[string]struct {
		ci   string
		ok   bool
		want string
	}{
		"goes on when the part is there":       {ci: "true", ok: true, want: ""},
		"skips with instructions for a person": {ci: "", want: "skip: sshd is missing: apt-get install openssh-server"},
		"takes CI=false for a person":          {ci: "false", want: "skip: sshd is missing: apt-get install openssh-server"},
		"fails in CI":                          {ci: "true", want: "fatal: sshd is missing, and in CI nothing may be: apt-get install openssh-server"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Setenv("CI", c.ci)
			r := &recorder{}
			parts.Require(r, "sshd", c.ok, "apt-get install openssh-server")
			if r.ended != c.want {
				t.Errorf("got %q, want %q", r.ended, c.want)
			}
		})
	}
}
