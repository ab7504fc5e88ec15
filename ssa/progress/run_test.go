package progress

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitopskit/gitopskit/ssa"
	"github.com/gitopskit/gitopskit/ssa/health"
)

func TestATerminalThatTakesItsTimeHoldsNothingUp(t *testing.T) {
	r, w := io.Pipe() // writing waits until somebody reads
	d := New(w, Options{Mode: Live})
	d.Step(ssa.StepWrite, 1000)
	for i := range 1000 {
		d.Object(did(ssa.Create, "ConfigMap", fmt.Sprint("c", i)))
	}
	read := make(chan string)
	go func() {
		data, _ := io.ReadAll(r) // ends with the pipe
		read <- string(data)
	}()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := <-read; strings.Count(got, "+ create") != 1000 || !strings.HasSuffix(got, showCursor) {
		t.Errorf("%d lines came through, with the end %q", strings.Count(got, "+ create"), got[max(len(got)-60, 0):])
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestAnErrorOfWritingIsReturnedAtTheEnd(t *testing.T) {
	for _, mode := range []Mode{Live, Plain} {
		d := New(broken{}, Options{Mode: mode})
		d.Step(ssa.StepWrite, 1)
		d.Object(did(ssa.Create, "ConfigMap", "a"))
		if err := d.Close(); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("err = %v", err)
		}
	}
}

// The race detector looks on.
func TestManyMayTellAtOnce(t *testing.T) {
	for _, mode := range []Mode{Live, Plain} {
		var out strings.Builder
		d := New(&out, Options{Mode: mode, Color: ColorAlways})
		var tellers sync.WaitGroup
		for i := range 8 {
			tellers.Go(func() {
				for n := range 50 {
					d.Step(ssa.StepWait, n)
					d.Object(did(ssa.Create, "ConfigMap", fmt.Sprint(i, "-", n)))
					d.Health(is(health.InProgress, "Job", fmt.Sprint(i), "on its way"))
					_, _ = fmt.Fprintf(d, "log %d-%d\n", i, n) // a Builder never fails
					d.tick()
				}
			})
		}
		tellers.Wait()
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if created, logged := strings.Count(out.String(), "+ create"), strings.Count(out.String(), "log "); created != 400 || logged != 400 {
			t.Errorf("%d of 400 objects and %d of 400 lines of the log are shown", created, logged)
		}
	}
}

func TestAWaitBeforePruningIsConcludedThere(t *testing.T) {
	var out strings.Builder
	d := newDisplay(openTerminal(&out, Options{}), Options{}, newClock().now)
	d.Step(ssa.StepWrite, 1)
	d.Object(did(ssa.Create, "Deployment", "new"))
	d.Step(ssa.StepWait, 1)
	d.Health(is(health.Current, "Deployment", "new", ""))
	d.Step(ssa.StepPrune, 1)
	d.Object(did(ssa.Prune, "Deployment", "old"))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	show(t, "the log", out.String(), `
writing 1 object
+ create Deployment/shop/new
✓ 1 created in 0s
waiting for 1 object
Deployment/shop/new: Current
✓ 1 of 1 ready in 0s
pruning 1 object
- prune Deployment/shop/old
✓ 1 created, 1 pruned in 0s
`)
}

func TestWhatHoldsUpAWriteIsShownAsLongAsItDoes(t *testing.T) {
	v, c := newVT(t, 90, 10), newClock()
	d := newDisplay(v.terminal(), Options{}, c.now)
	d.Step(ssa.StepWrite, 2)
	d.Health(is(health.Terminating, "Job", "j", "held by finalizer example.com/hold"))
	c.pass(9 * frameTime)
	d.tick()
	show(t, "held", v.seen(), ` ⠏ writing ──────────────────────── 0/2  0s
   Job/shop/j      0s  Terminating: held by finalizer example.com/hold
`)
	d.Object(did(ssa.Recreate, "Job", "j"))
	d.tick()
	show(t, "gone", v.seen(), `± recreate Job/shop/j
 ⠏ writing ━━━━━━━━━━━━──────────── 1/2  0s
`)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFollowTellsWhoWasToldBefore(t *testing.T) {
	var told []string
	var out strings.Builder
	d := New(&out, Options{})
	opts := d.Follow(ssa.ApplyOptions{
		Set:      "shop",
		OnStep:   func(s ssa.Step, n int) { told = append(told, fmt.Sprint(s, n)) },
		OnEvent:  func(r ssa.ObjectResult) { told = append(told, r.String()) },
		OnHealth: func(o health.Observation) { told = append(told, o.String()) },
	})
	for _, o := range []ssa.ApplyOptions{opts, d.Follow(ssa.ApplyOptions{})} {
		o.OnStep(ssa.StepWrite, 1)
		o.OnEvent(did(ssa.Create, "ConfigMap", "a"))
		o.OnHealth(is(health.Failed, "Job", "j", ""))
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"write1", "create ConfigMap/shop/a", "Job/shop/j: Failed"}, told); diff != "" || opts.Set != "shop" {
		t.Errorf("-want +got\n%s", diff)
	}
	if n := strings.Count(out.String(), "+ create"); n != 2 {
		t.Errorf("shown %d times:\n%s", n, out.String())
	}
}

func TestColoursAndSymbolsSuitTheTerminal(t *testing.T) {
	r := did(ssa.Recreate, "Job", "j")
	for _, tt := range []struct {
		name string
		p    painter
		want string
	}{
		{"colours", painter{color: true, unicode: true}, "\x1b[35m± recreate Job/shop/j\x1b[0m"},
		{"none", painter{unicode: true}, "± recreate Job/shop/j"},
		{"ASCII", painter{}, "* recreate Job/shop/j"},
	} {
		if got := tt.p.text(tt.p.objectLines(r, false)[0]); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	for locale, want := range map[string]bool{"": true, "LANG=C": false, "LANG=de_DE.UTF-8": true, "LC_ALL=POSIX LANG=C.UTF-8": false, "LANG=C.utf8": true, "TERM=linux LANG=C.UTF-8": false} {
		getenv := func(name string) string {
			for kv := range strings.FieldsSeq(locale) {
				if v, ok := strings.CutPrefix(kv, name+"="); ok {
					return v
				}
			}
			return ""
		}
		if got := showsUnicode(getenv); got != want {
			t.Errorf("%q: Unicode %v, want %v", locale, got, want)
		}
	}
}
