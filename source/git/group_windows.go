//go:build windows

package git

import "os/exec"

// ownGroup does nothing: Cmd.WaitDelay ends what children hold open.
func ownGroup(*exec.Cmd) {}
