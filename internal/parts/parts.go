// Package parts decides what a test does when something it needs is not on this
// machine: it skips with instructions where a person runs it, and fails in CI,
// so that no missing part hides a test.
package parts

import (
	"os"
	"os/exec"
	"testing"
)

// Require ends the test unless ok: what names the missing part, howToInstall
// says how to get it. The test fails when the environment variable CI is set, and
// is skipped otherwise.
func Require(t testing.TB, what string, ok bool, howToInstall string) {
	t.Helper()
	if ok {
		return
	}
	if InCI() {
		t.Fatalf("%s is missing, and in CI nothing may be: %s", what, howToInstall)
		return
	}
	t.Skipf("%s is missing: %s", what, howToInstall)
}

// RequireProgram returns the path of a program found in PATH, or else does as
// [Require].
func RequireProgram(t testing.TB, name, howToInstall string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	Require(t, "the program "+name, err == nil, howToInstall)
	return path
}

// InCI tells whether the environment variable CI is set to something that means
// yes.
func InCI() bool {
	switch os.Getenv("CI") {
	case "", "0", "false":
		return false
	}
	return true
}
