package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gitopskit/gitopskit/internal/testpty"
)

// display is what a terminal was sent.
type display struct {
	mu  sync.Mutex
	got bytes.Buffer
}

func (d *display) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.got.Write(p)
}

func (d *display) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.got.String()
}

func (d *display) until(t *testing.T, what string) {
	t.Helper()
	deadline := time.After(time.Minute)
	for !strings.Contains(d.String(), what) {
		select {
		case <-deadline:
			t.Fatalf("%q is not shown within a minute, but\n%q", what, d.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// The command as a process at a terminal, which is interrupted while it waits.
func TestCtrlC(t *testing.T) {
	s := newShell(t)
	screen, tty := testpty.Open(t, 100, 24)
	never := strings.Replace(shop, "labels: {app: web}}\n    spec", "labels: {app: web}, annotations: {gitopskit.github.io/pod: crash-loop}}\n    spec", 1)
	cmd := exec.CommandContext(t.Context(), os.Args[0], s.args("-f", "-", "--inventory=shop", "--wait", "-o", "json")...)
	cmd.Env = append(os.Environ(), asCommand+"=1", "TERM=xterm", "CI=", "NO_COLOR=", "LC_ALL=C.UTF-8")
	cmd.Stdin = strings.NewReader(never)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, tty
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := tty.Close(); err != nil {
		t.Fatal(err)
	}
	d := &display{}
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		_, _ = io.Copy(d, screen) // ends with an error when the process does
	}()
	d.until(t, "+ create Deployment/"+s.ns+"/web")
	d.until(t, "waiting")
	d.until(t, "pod web-")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	<-shown
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted {
		t.Errorf("exit code %d, %v", code, err)
	}
	end := d.String()[strings.LastIndex(d.String(), "\x1b[?25h")+len("\x1b[?25h"):]
	if strings.Contains(end, "\x1b") || !strings.Contains(end, "interrupted; doing it again") {
		t.Errorf("the cursor or its colours are not as they were, or nothing is said: %q", end)
	}
	if !strings.Contains(d.String(), "0 of 1 ready") {
		t.Errorf("the last state does not stay:\n%s", d.String())
	}
	var got report
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got.Summary != "3 created" || len(got.Missing) != 1 {
		t.Errorf("the report: %v\n%s", err, out.String())
	}
	s.run(0, shop, "-f", "-", "--inventory=shop", "--wait", "--prune") // goes on from there
}
