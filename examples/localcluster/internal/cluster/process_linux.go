package cluster

import (
	"os"
	"os/exec"
	"syscall"
)

// isolate puts a component into a process group of its own, so that Ctrl-C in a
// terminal reaches the supervisor alone, and has the kernel kill it when the
// thread that started it ends.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// detach makes the process the leader of a session of its own.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

func askToEnd(p *os.Process) error { return p.Signal(syscall.SIGTERM) }

// endedBySignal tells whether somebody killed the process from outside.
func endedBySignal(s *os.ProcessState) bool {
	ws, ok := s.Sys().(syscall.WaitStatus)
	return ok && ws.Signaled() && (ws.Signal() == syscall.SIGKILL || ws.Signal() == syscall.SIGTERM)
}
