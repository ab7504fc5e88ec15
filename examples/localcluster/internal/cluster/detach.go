package cluster

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"time"
)

// Detach runs this program again with args in the background, and returns the
// status when the instance is ready. What it says meanwhile goes to o.Progress.
func Detach(ctx context.Context, o Options, args []string) (Status, error) {
	var none Status
	o, err := o.withDefaults()
	if err != nil {
		return none, err
	}
	home, err := Home()
	if err != nil {
		return none, err
	}
	log, err := os.CreateTemp("", "localcluster-*.log")
	if err != nil {
		return none, err
	}
	defer func() { _ = log.Close(); _ = os.Remove(log.Name()) }()
	exe, err := os.Executable()
	if err != nil {
		return none, err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), exe, args...) // it outlives this process
	cmd.Stdout, cmd.Stderr = log, log
	detach(cmd)
	if err := cmd.Start(); err != nil {
		return none, err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	d := &detached{name: o.Name, home: home, log: log.Name(), pid: cmd.Process.Pid, progress: o.Progress}
	st, err := d.follow(ctx, ended)
	if ctx.Err() != nil {
		_ = askToEnd(cmd.Process)
		<-ended
	}
	return st, err
}

type detached struct {
	name, home, log string
	pid             int
	progress        io.Writer
	read            int64
}

// follow copies the progress until the instance is ready or has ended.
func (d *detached) follow(ctx context.Context, ended <-chan struct{}) (Status, error) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return Status{}, ctx.Err()
		case <-ended:
			d.copyProgress()
			return Status{}, errors.New("the cluster did not start")
		case <-tick.C:
		}
		d.copyProgress()
		var e Entry
		if readJSON(entryFile(d.home, d.name), &e) != nil {
			continue
		}
		s, err := ReadStatus(e.DataDir)
		if err == nil && s.PID == d.pid && s.Phase == PhaseReady {
			d.copyProgress()
			return s, nil
		}
	}
}

func (d *detached) copyProgress() {
	f, err := os.Open(d.log)
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }()
	if _, err := f.Seek(d.read, io.SeekStart); err == nil {
		n, _ := io.Copy(d.progress, f)
		d.read += n
	}
}
