package cluster

import (
	"context"
	"os"
	"os/exec"
	"runtime"
)

// starter starts processes from one thread that lives as long as it does: the
// kernel kills a child when the thread that started it ends, not the process.
type starter struct {
	exe   string
	stdin *os.File // read end of the pipe whose closing ends every child
	hold  *os.File // write end
	work  chan func()
}

func newStarter() (*starter, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	s := &starter{exe: exe, stdin: r, hold: w, work: make(chan func())}
	go func() {
		runtime.LockOSThread()
		for f := range s.work {
			f()
		}
	}()
	return s, nil
}

// start runs a component with its output going to log.
func (s *starter) start(c component, dir dataDir, log *logFile) (*exec.Cmd, error) {
	cmd := exec.CommandContext(context.Background(), s.exe, append([]string{ComponentCommand, c.name}, c.args...)...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = string(dir), s.stdin, log, log
	isolate(cmd)
	done := make(chan error)
	s.work <- func() { done <- cmd.Start() }
	return cmd, <-done
}

// close ends the thread and with it every child that is left.
func (s *starter) close() {
	close(s.work)
	_ = s.hold.Close()
	_ = s.stdin.Close()
}
