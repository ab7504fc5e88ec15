package progress

import (
	"bytes"
	"io"
	"sync"
	"time"

	"github.com/gitopskit/gitopskit/ssa"
	"github.com/gitopskit/gitopskit/ssa/health"
)

// A Mode is a way to show progress.
type Mode uint8

// The modes.
const (
	Auto  Mode = iota // Live on a terminal that can do it, Plain elsewhere and where CI is set
	Live              // lines at the bottom that are kept up to date
	Plain             // a line for each event
)

// A Color says whether to use colours.
type Color uint8

// Whether to use colours.
const (
	ColorAuto   Color = iota // on a terminal, unless NO_COLOR is set
	ColorAlways              // always
	ColorNever               // never
)

// Options say how progress is shown. The zero value shows it as suits what it
// is written to.
type Options struct {
	// Mode is the way to show progress. Default: Auto.
	Mode Mode

	// Color says whether to use colours. Default: ColorAuto.
	Color Color

	// Diffs shows below each updated object which fields change, where the Apply
	// finds that out (see ssa.ApplyOptions.Diff). Default: the object alone.
	Diffs bool
}

// A Display shows the progress of one Apply, or of a wait. Its methods may be
// called by several goroutines.
type Display struct {
	term  *terminal
	paint painter
	diffs bool
	now   func() time.Time

	mu     sync.Mutex
	model  model
	above  bytes.Buffer // finished lines that are not written yet
	held   []byte       // what Write was given without its end of line
	closed bool
	err    error // the first of writing

	writing sync.Mutex // held by whoever writes to the terminal; taken before mu
	screen  screen

	stop    chan struct{}
	stopped sync.WaitGroup
}

const (
	frameTime = 100 * time.Millisecond // between drawings of the live lines
	quietTime = 30 * time.Second       // without an event, before a log is told that all goes on
)

// New returns a Display that writes to w, which is a terminal if it is an
// *os.File that is one. A goroutine keeps it up to date until Close is called.
func New(w io.Writer, opts Options) *Display {
	d := newDisplay(openTerminal(w, opts), opts, time.Now)
	pause := quietTime
	if d.term.live {
		pause = frameTime
	}
	d.stopped.Go(func() { d.keep(pause) })
	return d
}

func newDisplay(t *terminal, opts Options, now func() time.Time) *Display {
	d := &Display{term: t, diffs: opts.Diffs, now: now, stop: make(chan struct{})}
	d.paint = painter{color: t.color, unicode: t.unicode}
	d.model = newModel(now())
	return d
}

// keep draws the live lines, or says in a log that all goes on.
func (d *Display) keep(pause time.Duration) {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		select {
		case <-d.stop:
			return
		case <-ticker.C:
			d.tick()
		}
	}
}

// Follow returns opts with a Display that is told of everything. What opts tells
// others it still does. It is for Apply; a Plan, which does nothing, is followed by
// ssa.ApplyOptions.OnStep alone.
func (d *Display) Follow(opts ssa.ApplyOptions) ssa.ApplyOptions {
	step, object, observed := opts.OnStep, opts.OnEvent, opts.OnHealth
	opts.OnStep = func(s ssa.Step, n int) {
		if step != nil {
			step(s, n)
		}
		d.Step(s, n)
	}
	opts.OnEvent = func(r ssa.ObjectResult) {
		if object != nil {
			object(r)
		}
		d.Object(r)
	}
	opts.OnHealth = func(o health.Observation) {
		if observed != nil {
			observed(o)
		}
		d.Health(o)
	}
	return opts
}

// Step shows that a step begins; it is for ssa.ApplyOptions.OnStep. Before a
// wait without an Apply, call it with ssa.StepWait and the number of objects.
func (d *Display) Step(s ssa.Step, objects int) {
	d.event(func(now time.Time) {
		if s == ssa.StepWait || d.model.step == ssa.StepWait {
			d.conclude(now)
		}
		d.model.begin(s, objects, now)
		if !d.term.live {
			d.line(d.paint.stepLine(s, objects))
		}
	})
}

// Object shows what was done with an object; it is for ssa.ApplyOptions.OnEvent.
func (d *Display) Object(r ssa.ObjectResult) {
	d.event(func(now time.Time) {
		d.model.object(r, now)
		for _, l := range d.paint.objectLines(r, d.diffs) {
			d.line(l)
		}
	})
}

// Health shows how far an object has come; it is for ssa.ApplyOptions.OnHealth
// and health.WaitOptions.OnChange.
func (d *Display) Health(o health.Observation) {
	d.event(func(now time.Time) {
		d.model.health(o, now)
		if !d.term.live {
			d.line(d.paint.healthLine(o))
		}
	})
}

// Write shows whole lines of p, such as those of a log, above the live lines.
// Control characters in them are shown by their numbers.
func (d *Display) Write(p []byte) (int, error) {
	d.event(func(time.Time) {
		d.held = append(d.held, p...)
		for {
			i := bytes.IndexByte(d.held, '\n')
			if i < 0 {
				return
			}
			d.line(line{{text: clean(string(bytes.TrimSuffix(d.held[:i], []byte("\r"))))}})
			d.held = d.held[i+1:]
		}
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return 0, d.err
	}
	return len(p), nil
}

// Close shows the last state, leaves the cursor below it, and ends what keeps
// the Display up to date. It returns the first error of writing. Whatever comes
// later is not shown.
func (d *Display) Close() error {
	d.mu.Lock()
	if d.closed {
		defer d.mu.Unlock()
		return d.err
	}
	d.closed = true
	if len(d.held) > 0 {
		d.line(line{{text: clean(string(d.held))}})
	}
	d.conclude(d.now())
	d.mu.Unlock()
	close(d.stop)
	d.stopped.Wait()
	d.writing.Lock()
	defer d.writing.Unlock()
	d.flush(true)
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// event takes something in. A log has it at once, the terminal with the next
// frame, so that the Apply does not wait for the terminal.
func (d *Display) event(take func(now time.Time)) {
	if !d.term.live {
		d.writing.Lock()
		defer d.writing.Unlock()
	}
	d.mu.Lock()
	if !d.closed {
		take(d.now())
	}
	d.mu.Unlock()
	if !d.term.live {
		d.flush(false)
	}
}

// tick draws a frame, or says in a log that all goes on.
func (d *Display) tick() {
	d.writing.Lock()
	defer d.writing.Unlock()
	if !d.term.live {
		d.mu.Lock()
		if now := d.now(); !d.closed && d.model.quiet(now) {
			d.line(d.paint.stillLine(&d.model, now))
			d.model.heard = now
		}
		d.mu.Unlock()
	}
	d.flush(false)
}

// flush writes what there is to write; d.writing is held. The last flush leaves
// no live lines.
func (d *Display) flush(last bool) {
	width, height := d.term.size()
	d.mu.Lock()
	above := bytes.Clone(d.above.Bytes())
	d.above.Reset()
	var block []line
	if d.term.live && !last && !d.closed {
		block = d.paint.block(&d.model, d.now(), width, height)
	}
	d.mu.Unlock()
	out := above
	if d.term.live {
		out = d.screen.frame(above, d.paint.fit(block, width), size{width, height})
	}
	if len(out) == 0 {
		return
	}
	if _, err := d.term.w.Write(out); err != nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.err == nil {
			d.err = err
		}
	}
}

// line finishes a line; d.mu is held.
func (d *Display) line(l line) {
	d.above.WriteString(d.paint.text(l))
	if d.term.live {
		d.above.WriteByte('\r')
	}
	d.above.WriteByte('\n')
}

// conclude leaves what is known by now for people to read: what was done since
// it last said so, and how a wait has ended. d.mu is held.
func (d *Display) conclude(now time.Time) {
	if n := d.model.events(); n > d.model.summed {
		d.line(d.paint.summaryLine(&d.model, now))
		d.model.summed = n
	}
	for _, l := range d.paint.conclusion(&d.model, now) {
		d.line(l)
	}
}
