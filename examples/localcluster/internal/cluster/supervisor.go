package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

const (
	crashLimit  = 5 // crashes in a row, each sooner than healthyFor after its start
	healthyFor  = 20 * time.Second
	maxBackoff  = 4 * time.Second
	stopPatient = 5 * time.Second
	tailLines   = 15
	holdEvery   = 25 * time.Millisecond
)

// supervisor keeps components running until it is told to stop them.
type supervisor struct {
	dir     dataDir
	board   *board
	say     func(string, ...any)
	starter *starter
	fatal   chan error

	mu       sync.Mutex
	children map[string]*child
}

// child is one component under supervision. Its context ends when the component
// is to be stopped; done closes when it has ended for good.
type child struct {
	component
	log    *logFile
	stop   context.CancelFunc
	done   chan struct{}
	crowd  int // crashes in a row
	starts int
}

func newSupervisor(d dataDir, b *board, say func(string, ...any)) (*supervisor, error) {
	st, err := newStarter()
	if err != nil {
		return nil, err
	}
	return &supervisor{dir: d, board: b, say: say, starter: st,
		fatal: make(chan error, 8), children: map[string]*child{}}, nil
}

// start begins to supervise a component and returns at once.
func (s *supervisor) start(c component) error {
	log, err := openLog(s.dir.log(c.name))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ch := &child{component: c, log: log, stop: cancel, done: make(chan struct{})}
	s.mu.Lock()
	s.children[c.name] = ch
	s.mu.Unlock()
	go func() {
		defer close(ch.done)
		defer func() { _ = log.Close() }()
		if err := s.keep(ctx, ch); err != nil {
			s.fatal <- err
		}
		s.setState(ch, StateStopped, 0)
	}()
	return nil
}

// keep runs the component again and again until ctx ends or it crashes too often.
func (s *supervisor) keep(ctx context.Context, ch *child) error {
	for {
		if !s.waitUnheld(ctx, ch) {
			return nil
		}
		begun := time.Now()
		ended, err := s.runOnce(ctx, ch)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was told to end, and how it ended does not matter
		}
		if err != nil {
			return fmt.Errorf("%s: %w", ch.name, err)
		}
		pause, err := ch.judge(ended, time.Since(begun), s.say)
		if err != nil {
			return err
		}
		s.setState(ch, StateRestarting, 0)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// judge reports an unwanted end and tells how long to wait before the next start.
// A component that somebody killed did not crash.
func (ch *child) judge(ended *os.ProcessState, lived time.Duration, say func(string, ...any)) (time.Duration, error) {
	if endedBySignal(ended) {
		say("%s was killed (%s), starting it again", ch.name, ended)
		return 0, nil
	}
	if lived >= healthyFor {
		ch.crowd = 0
	}
	ch.crowd++
	tail := strings.Join(ch.log.lastLines(tailLines), "\n    ")
	if ch.crowd >= crashLimit {
		return 0, fmt.Errorf("%s crashed %d times in a row (%s); the end of %s:\n    %s",
			ch.name, ch.crowd, ended, ch.log.path, tail)
	}
	pause := min(maxBackoff, 250*time.Millisecond<<(ch.crowd-1))
	say("%s ended (%s), starting it again in %s; the end of its log:\n    %s", ch.name, ended, pause, tail)
	return pause, nil
}

// runOnce runs the component until it ends, or ends it when ctx does.
func (s *supervisor) runOnce(ctx context.Context, ch *child) (*os.ProcessState, error) {
	ch.log.forgetTail()
	cmd, err := s.starter.start(ch.component, s.dir, ch.log)
	if err != nil {
		return nil, err
	}
	ch.starts++
	s.setState(ch, StateRunning, cmd.Process.Pid)
	waited := make(chan error, 1)
	go func() { waited <- cmd.Wait() }()
	select {
	case err = <-waited:
	case <-ctx.Done():
		err = s.end(cmd, ch.name, waited)
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return cmd.ProcessState, err
	}
	return cmd.ProcessState, nil
}

// end asks the process to end, and kills it when it takes too long.
func (s *supervisor) end(cmd *exec.Cmd, name string, waited <-chan error) error {
	_ = askToEnd(cmd.Process)
	select {
	case err := <-waited:
		return err
	case <-time.After(stopPatient):
		s.say("%s does not end, killing it", name)
		_ = cmd.Process.Kill()
		return <-waited
	}
}

// waitUnheld waits while the hold file of the component exists, and tells whether
// to go on.
func (s *supervisor) waitUnheld(ctx context.Context, ch *child) bool {
	held := false
	for {
		if _, err := os.Stat(s.dir.hold(ch.name)); err != nil {
			return ctx.Err() == nil
		}
		if !held {
			held = true
			s.say("%s is held down by %s", ch.name, s.dir.hold(ch.name))
			s.setState(ch, StateHeld, 0)
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(holdEvery):
		}
	}
}

func (s *supervisor) setState(ch *child, state string, pid int) {
	s.board.component(ch.name, func(c *ComponentStatus) {
		c.State, c.PID, c.Since, c.Log = state, pid, time.Now().UTC(), ch.log.path
		c.Restarts = max(0, ch.starts-1)
	})
}

// stop ends the named components at the same time and returns when all have.
func (s *supervisor) stop(names ...string) {
	s.mu.Lock()
	var ending []*child
	for _, name := range names {
		if ch := s.children[name]; ch != nil {
			ending = append(ending, ch)
		}
	}
	s.mu.Unlock()
	for _, ch := range ending {
		ch.stop()
	}
	for _, ch := range ending {
		<-ch.done
	}
}
