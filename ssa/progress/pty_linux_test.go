package progress

import (
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gitopskit/gitopskit/internal/testpty"
	"github.com/gitopskit/gitopskit/ssa"
	"github.com/gitopskit/gitopskit/ssa/health"
)

// person looks at a pseudo terminal.
type person struct {
	mu sync.Mutex
	vt *vt
}

func (p *person) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.vt.Write(b)
}

func (p *person) sees(t *testing.T, what string) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		p.mu.Lock()
		got := p.vt.seen()
		p.mu.Unlock()
		if strings.Contains(got, what) {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("%q is not seen within a minute, but\n%s", what, got)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestOnARealTerminal(t *testing.T) {
	t.Setenv("CI", "")
	t.Setenv("TERM", "xterm-256color")
	t.Setenv("NO_COLOR", "")
	t.Setenv("LC_ALL", "C.UTF-8")
	screen, tty := testpty.Open(t, 90, 12)
	p := &person{vt: newVT(t, 90, 12)}
	looked := make(chan struct{})
	go func() {
		defer close(looked)
		_, _ = io.Copy(p, screen) // ends with an error when nobody has the other end
	}()
	d := New(tty, Options{})
	d.Step(ssa.StepWrite, 2)
	d.Object(did(ssa.Create, "ConfigMap", "a"))
	p.sees(t, "writing ━━━━━━━━━━━━──────────── 1/2")
	d.Step(ssa.StepWait, 1)
	d.Health(is(health.InProgress, "Deployment", "web", "0 of 1 pods are available, which is told at some length"))
	p.sees(t, "which is told at some length")
	p.mu.Lock()
	p.vt.resize(50, 12)
	p.mu.Unlock()
	testpty.Resize(t, screen, 50, 12)
	p.sees(t, "waiting 0/1") // there is no room for a bar any more
	d.Health(is(health.Current, "Deployment", "web", ""))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := tty.Close(); err != nil {
		t.Fatal(err)
	}
	<-looked
	want := "+ create ConfigMap/shop/a\n✓ 1 created in"
	if got := p.vt.all(); !strings.HasPrefix(got, want) || !strings.Contains(got, "✓ 1 of 1 ready in") || strings.Contains(got, "waiting") {
		t.Errorf("what is left:\n%s", got)
	}
	if !strings.Contains(p.vt.raw.String(), "\x1b[32m") {
		t.Error("no colours")
	}
	if wrong := p.vt.atRest(); wrong != "" {
		t.Error(wrong)
	}
}

func TestWhatTheEnvironmentSays(t *testing.T) {
	_, tty := testpty.Open(t, 80, 24)
	file, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	for _, tt := range []struct {
		name        string
		w           io.Writer
		env         [3]string // TERM, CI, NO_COLOR
		opts        Options
		live, color bool
	}{
		{"a terminal", tty, [3]string{"xterm"}, Options{}, true, true},
		{"a terminal that can't", tty, [3]string{"dumb"}, Options{}, false, false},
		{"CI", tty, [3]string{"xterm", "true"}, Options{}, false, true},
		{"not CI", tty, [3]string{"xterm", "false"}, Options{}, true, true},
		{"NO_COLOR", tty, [3]string{"xterm", "", "1"}, Options{}, true, false},
		{"NO_COLOR, and colours wanted", tty, [3]string{"xterm", "", "1"}, Options{Color: ColorAlways}, true, true},
		{"no colours wanted", tty, [3]string{"xterm"}, Options{Color: ColorNever}, true, false},
		{"plain wanted", tty, [3]string{"xterm"}, Options{Mode: Plain}, false, true},
		{"a file", file, [3]string{"xterm"}, Options{}, false, false},
		{"a file, and live wanted", file, [3]string{"xterm"}, Options{Mode: Live}, true, false},
		{"no file", &strings.Builder{}, [3]string{"xterm"}, Options{}, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("TERM", tt.env[0])
			t.Setenv("CI", tt.env[1])
			t.Setenv("NO_COLOR", tt.env[2])
			got := openTerminal(tt.w, tt.opts)
			if got.live != tt.live || got.color != tt.color {
				t.Errorf("live %v, colours %v", got.live, got.color)
			}
		})
	}
}
