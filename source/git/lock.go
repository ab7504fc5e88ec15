package git

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/gitopskit/gitopskit/source"
)

// lock waits until this goroutine alone, of all processes, may change the
// mirror.
func (m *mirror) lock(ctx context.Context) (unlock func(), err error) {
	select {
	case m.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() {
		if err != nil {
			<-m.turn
		}
	}()
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(m.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := waitForLock(ctx, f); err != nil {
		_ = f.Close()
		return nil, err
	}
	return func() {
		_ = f.Close() // closing gives the lock up
		<-m.turn
	}, nil
}

// waitForLock asks again and again, as a blocked system call would not end
// with the context. Another process holds the lock as long as it fetches.
func waitForLock(ctx context.Context, f *os.File) error {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for wait := 2 * time.Millisecond; ; wait = min(wait*2, 100*time.Millisecond) {
		ok, err := tryLock(f)
		if ok || err != nil {
			return err
		}
		pause.Reset(wait)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-pause.C:
		}
	}
}

// isDiskFull is about this process's writes, and git's.
func isDiskFull(err error) bool { return errors.Is(&source.Error{Err: err}, source.ErrFull) }
