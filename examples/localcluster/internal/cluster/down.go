package cluster

import (
	"context"
	"fmt"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// Down ends the instance in dir and returns when it has ended; ctx bounds the
// wait, after which the supervisor is killed, and its components with it.
func Down(ctx context.Context, dir string) error {
	if !Running(dir) {
		return ErrNotRunning
	}
	s, err := ReadStatus(dir)
	if err != nil {
		return fmt.Errorf("an instance holds %s but says nothing about itself: %w", dir, err)
	}
	p, err := os.FindProcess(s.PID)
	if err != nil {
		return err
	}
	if err := askToEnd(p); err != nil {
		return fmt.Errorf("process %d: %w", s.PID, err)
	}
	if waitStopped(ctx, dir) == nil {
		return nil
	}
	if err := p.Kill(); err != nil {
		return fmt.Errorf("process %d: %w", s.PID, err)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return waitStopped(last, dir)
}

func waitStopped(ctx context.Context, dir string) error {
	return wait.PollUntilContextCancel(ctx, pollEvery, true, func(context.Context) (bool, error) {
		return !Running(dir), nil
	})
}
