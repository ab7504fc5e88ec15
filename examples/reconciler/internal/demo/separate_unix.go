//go:build unix

package demo

import (
	"os/exec"
	"syscall"
)

// separate keeps Ctrl-C in the terminal from reaching the program: the demo
// ends it in its own order.
func separate(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
