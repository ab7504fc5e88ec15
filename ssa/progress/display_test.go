package progress

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
	"github.com/gitopskit/gitopskit/ssa/health"
)

func TestMain(m *testing.M) {
	for name, value := range map[string]string{"LC_ALL": "C.UTF-8", "TERM": "xterm", "NO_COLOR": ""} {
		if err := os.Setenv(name, value); err != nil { // symbols depend on it
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

// clock is a time that passes when it is told to.
type clock struct{ time.Time }

func (c *clock) now() time.Time       { return c.Time }
func (c *clock) pass(d time.Duration) { c.Time = c.Add(d) }
func ref(kind, name string) inventory.Ref {
	return inventory.Ref{Kind: kind, Namespace: "shop", Name: name}
}

func newClock() *clock { return &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func did(action ssa.Action, kind, name string) ssa.ObjectResult {
	return ssa.ObjectResult{Ref: ref(kind, name), Action: action}
}

func is(status health.Status, kind, name, message string) health.Observation {
	return health.Observation{Ref: ref(kind, name), Report: health.Report{Status: status, Message: message}}
}

func show(t *testing.T, what, got, want string) {
	t.Helper()
	if diff := cmp.Diff(strings.TrimLeft(want, "\n"), got); diff != "" {
		t.Errorf("%s: -want +got\n%s", what, diff)
	}
}

func TestWhatAPersonSeesOfAnApply(t *testing.T) {
	v, c := newVT(t, 80, 10), newClock()
	d := newDisplay(v.terminal(), Options{Diffs: true}, c.now)
	d.tick()
	if got := v.raw.String(); got != "" {
		t.Errorf("before it begins: %q", got)
	}

	d.Step(ssa.StepRead, 121)
	c.pass(frameTime)
	d.tick()
	show(t, "reading", v.seen(), "\n ⠙ reading 121 objects  0s\n"[1:])
	for range 118 {
		d.Object(did(ssa.Unchanged, "ConfigMap", "same"))
	}
	d.Step(ssa.StepValidate, 3)
	d.Step(ssa.StepWrite, 3)
	created := did(ssa.Create, "Namespace", "")
	created.Ref = inventory.Ref{Kind: "Namespace", Name: "shop"}
	d.Object(created)
	c.pass(2 * time.Second)
	d.tick()
	show(t, "writing", v.seen(), `
+ create Namespace/shop
 ⠙ writing ━━━━━━━━──────────────── 1/3  2s
`)
	updated := did(ssa.Update, "Deployment", "web")
	updated.Duration, updated.Diff = 1234*time.Millisecond, []ssa.Change{{Path: "spec.replicas", Old: 1, New: 2}}
	d.Object(updated)
	d.Object(did(ssa.Skip, "Secret", "kept"))
	d.Step(ssa.StepPrune, 1)
	d.Object(did(ssa.Prune, "Job", "old"))
	d.Step(ssa.StepWait, 3)
	d.Health(is(health.InProgress, "Deployment", "web", "1 of 2 pods are available"))
	c.pass(5 * time.Second)
	d.Health(is(health.NotFound, "Job", "migrate", ""))
	d.Health(is(health.Current, "Service", "web", ""))
	d.tick()
	wrote := `
+ create Namespace/shop
~ update Deployment/shop/web (1.2s)
    spec.replicas: 1 → 2
. skip Secret/shop/kept
- prune Job/shop/old
✓ 1 created, 1 updated, 118 unchanged, 1 skipped, 1 pruned in 2s
`
	show(t, "waiting", v.seen(), wrote+` ⠙ waiting ━━━━━━━━──────────────── 1/3  5s
   Deployment/shop/web      5s  1 of 2 pods are available
   Job/shop/migrate         5s  NotFound
`)
	d.Health(is(health.InProgress, "Deployment", "web", "1 of 2 pods are available; pod web-5d4: container web: ErrImagePull: no such image as shop/web:2"))
	d.Health(is(health.Failed, "Job", "migrate", "BackoffLimitExceeded"))
	c.pass(time.Minute)
	d.tick()
	show(t, "waiting for a pod", v.seen(), wrote+` ⠙ waiting ━━━━━━━━──────────────── 1/3  1m05s
   Job/shop/migrate      1m05s  Failed: BackoffLimitExceeded
   Deployment/shop/web   1m05s  1 of 2 pods are available
     pod web-5d4: container web: ErrImagePull: no such image as shop/web:2
`)
	d.Health(is(health.Current, "Job", "migrate", ""))
	d.Health(is(health.Current, "Deployment", "web", ""))
	d.tick()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	show(t, "at the end", v.all(), wrote+"✓ 3 of 3 ready in 1m05s\n")
	if wrong := v.atRest(); wrong != "" {
		t.Error(wrong)
	}
	fmt.Fprint(v, "$ ")
	show(t, "the prompt", v.all(), wrote+"✓ 3 of 3 ready in 1m05s\n$\n")
}

func TestWhatIsLeftOfAnApplyThatIsStopped(t *testing.T) {
	v, c := newVT(t, 80, 24), newClock()
	d := newDisplay(v.terminal(), Options{}, c.now)
	d.Step(ssa.StepWrite, 3)
	d.Object(did(ssa.Create, "ConfigMap", "a"))
	d.tick()
	failed := did(ssa.Create, "Service", "s")
	failed.Err = &ssa.Error{Op: "apply", Ref: failed.Ref, Err: errors.Join(ssa.ErrInvalid, errors.New("spec.ports: port 0"))}
	d.Object(failed)
	d.Object(did(ssa.None, "ConfigMap", "b"))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d.Object(did(ssa.Create, "ConfigMap", "too-late"))
	d.tick()
	show(t, "stopped while writing", v.all(), `
+ create ConfigMap/shop/a
✗ apply Service/shop/s: invalid object
    spec.ports: port 0
✗ 1 created, 1 failed, 1 not reached after 0s
`)

	v = newVT(t, 80, 24)
	d = newDisplay(v.terminal(), Options{}, c.now)
	d.Step(ssa.StepWait, 40)
	for i := range 30 {
		d.Health(is(health.InProgress, "Deployment", fmt.Sprintf("web-%02d", i), "0 of 1 pods are available"))
	}
	c.pass(90 * time.Second)
	d.tick()
	if got := v.seen(); strings.Count(got, "\n") != 11 || !strings.Contains(got, "and 21 more") {
		t.Errorf("waiting for many:\n%s", got)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if got := v.all(); !strings.HasPrefix(got, "✗ 0 of 40 ready after 1m30s\n   Deployment/shop/web-00   1m30s  0 of 1 pods are available\n") ||
		strings.Count(got, "Deployment/") != mostConcluded-1 || !strings.HasSuffix(got, "   and 11 more\n") {
		t.Errorf("stopped while waiting:\n%s", got)
	}
	if wrong := v.atRest(); wrong != "" {
		t.Error(wrong)
	}
}

// drive lets a Display show everything that it can, and calls between after each
// frame.
func drive(d *Display, c *clock, between func(n int)) {
	n := 0
	frame := func() {
		c.pass(frameTime)
		d.tick()
		n++
		between(n)
	}
	d.Step(ssa.StepWrite, 40)
	for i := range 40 {
		d.Object(did(ssa.Create, "ConfigMap", fmt.Sprintf("a-name-that-is-rather-long-%02d", i)))
		frame()
	}
	d.Step(ssa.StepWait, 20)
	for i := range 20 {
		d.Health(is(health.InProgress, "Deployment", fmt.Sprintf("web-%02d", i), "waits for 世界 and "+strings.Repeat("é", i)))
		frame()
	}
	for i := range 20 {
		d.Health(is(health.Current, "Deployment", fmt.Sprintf("web-%02d", i), ""))
		frame()
	}
}

// permanent is what is left of drive.
func permanent(width int) string {
	var b strings.Builder
	put := func(s string) {
		for ; width > 0 && columnsOf(s) > width; s = s[width:] {
			b.WriteString(strings.TrimRight(s[:width], " ") + "\n")
		}
		b.WriteString(s + "\n")
	}
	for i := range 40 {
		put(fmt.Sprintf("+ create ConfigMap/shop/a-name-that-is-rather-long-%02d", i))
	}
	return b.String()
}

func TestTheLiveLinesFitAnyTerminalAndLeaveNothingBehind(t *testing.T) {
	for _, width := range []int{1, 2, 7, 20, 54, 80, 300} {
		for _, height := range []int{1, 2, 3, 7, 24, 100} {
			v, c := newVT(t, width, height), newClock()
			d := newDisplay(v.terminal(), Options{}, c.now)
			drive(d, c, func(n int) {
				if wrong := v.atRest(); wrong != "" {
					t.Fatalf("%d×%d, frame %d: %s", width, height, n, wrong)
				}
				if rows := len(v.rows()) - v.cursorRow(); rows > max(height-1, 1) {
					t.Fatalf("%d×%d, frame %d: the live lines take %d rows", width, height, n, rows)
				}
			})
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			if got := v.all(); !strings.HasPrefix(got, permanent(width)) || strings.Contains(got, "waiting") || strings.Contains(got, "/40") {
				t.Errorf("%d×%d:\n%s", width, height, got)
			}
		}
	}
}

func TestTheLiveLinesFollowTheSizeOfTheTerminal(t *testing.T) {
	sizes := []size{{80, 24}, {30, 24}, {200, 5}, {60, 40}, {12, 3}, {90, 10}}
	for _, reflows := range []bool{true, false} {
		t.Run(fmt.Sprintf("reflows %v", reflows), func(t *testing.T) {
			v, c := newVT(t, 80, 24), newClock()
			v.reflows = reflows
			d := newDisplay(v.terminal(), Options{}, c.now)
			drive(d, c, func(n int) {
				if n%3 == 0 {
					s := sizes[n/3%len(sizes)]
					v.resize(s.width, s.height)
				}
			})
			v.resize(100, 24)
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			got := v.all()
			if strings.Contains(got, "waiting") || strings.Contains(got, "writing") || strings.Contains(got, "pods") {
				t.Errorf("live lines were left behind:\n%s", got)
			}
			if reflows && !strings.HasPrefix(got, permanent(0)) {
				t.Errorf("lines that stay were lost:\n%s", got)
			}
			if n := strings.Count(got, "+ create"); n != 40 {
				t.Errorf("%d of 40 lines that stay are there:\n%s", n, got)
			}
		})
	}
}

func TestALogHasALineForEachEvent(t *testing.T) {
	var b strings.Builder
	c := newClock()
	d := newDisplay(openTerminal(&b, Options{}), Options{}, c.now)
	d.Step(ssa.StepRead, 2)
	d.Object(did(ssa.Unchanged, "ConfigMap", "same"))
	d.Step(ssa.StepWrite, 1)
	d.Object(did(ssa.Update, "Deployment", "web"))
	d.Step(ssa.StepWait, 1)
	d.Health(is(health.InProgress, "Deployment", "web", "1 of 2 pods\nare available"))
	d.tick()
	c.pass(quietTime)
	d.tick()
	c.pass(quietTime)
	d.Health(is(health.Current, "Deployment", "web", ""))
	d.tick()
	if err := errors.Join(d.Close(), d.Close()); err != nil {
		t.Fatal(err)
	}
	show(t, "the log", b.String(), `
reading 2 objects
writing 1 object
~ update Deployment/shop/web
✓ 1 updated, 1 unchanged in 0s
waiting for 1 object
Deployment/shop/web: InProgress: 1 of 2 pods are available
still waiting after 30s: 0 of 1 ready; Deployment/shop/web: InProgress: 1 of 2 pods are available
Deployment/shop/web: Current
✓ 1 of 1 ready in 1m00s
`[1:])
}
