package notify_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/gitopskit/gitopskit/notify"
)

func TestMain(m *testing.M) {
	if runAsChild() {
		return
	}
	goleak.VerifyTestMain(m)
}

func event(name, message string) notify.Event {
	return notify.Event{
		InvolvedObject: notify.Object{APIVersion: "kustomize.toolkit.fluxcd.io/v1", Kind: "Kustomization", Namespace: "apps", Name: name},
		Severity:       notify.SeverityInfo, Message: message, Reason: "ReconciliationSucceeded",
		Timestamp: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC),
	}
}

func failed(name, message string) notify.Event {
	e := event(name, message)
	e.Severity, e.Reason = notify.SeverityError, "BuildFailed"
	return e
}

// pass lets the time of the bubble pass.
func pass(d time.Duration) { <-time.After(d) }

// sink records what it is sent and answers what the test says.
type sink struct {
	mu     sync.Mutex
	got    []string
	at     []time.Time
	answer func(n int, d notify.Delivery) error
}

func (s *sink) Send(ctx context.Context, d notify.Delivery) error {
	s.mu.Lock()
	n := len(s.at)
	s.at = append(s.at, time.Now())
	s.mu.Unlock()
	if s.answer != nil {
		if err := s.answer(n, d); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, d.Event.Message)
	return nil
}

func (s *sink) messages() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.got...)
}

func (s *sink) times() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]time.Time(nil), s.at...)
}

// groupSink takes groups too.
type groupSink struct {
	sink
	groups []int
}

func (s *groupSink) SendGroup(ctx context.Context, ds []notify.Delivery) error {
	s.mu.Lock()
	s.groups = append(s.groups, len(ds))
	s.mu.Unlock()
	for _, d := range ds {
		if err := s.Send(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

type graveyard struct {
	mu      sync.Mutex
	letters []notify.DeadLetter
}

func (g *graveyard) bury(l notify.DeadLetter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.letters = append(g.letters, l)
}

// running starts a dispatcher; the returned function stops it and waits.
func running(t *testing.T, o notify.Options) (*notify.Dispatcher, func()) {
	t.Helper()
	d, err := notify.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	return d, func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func dispatch(t *testing.T, d *notify.Dispatcher, events ...notify.Event) {
	t.Helper()
	for _, e := range events {
		if _, err := d.Dispatch(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRetriesInOrderOfEachObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{answer: func(n int, _ notify.Delivery) error {
			if n == 0 {
				return errors.New("down")
			}
			return nil
		}}
		d, stop := running(t, notify.Options{Destinations: []notify.Destination{{Name: "a", Sender: s}}})
		dispatch(t, d, event("x", "x1"), event("x", "x2"), event("y", "y1"))
		pass(time.Minute)
		if diff := cmp.Diff([]string{"y1", "x1", "x2"}, s.messages()); diff != "" {
			t.Error("others overtake, the same object does not:", diff)
		}
		if wait := s.times()[2].Sub(s.times()[0]); wait < time.Second || wait > 2*time.Second {
			t.Errorf("waited %v, want between 1 s and 2 s", wait)
		}
		stop()
	})
}

func TestRetryAfterLetsTheWholeDestinationRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{answer: func(n int, _ notify.Delivery) error {
			if n == 0 {
				return &notify.SendError{Status: 429, RetryAfter: 40 * time.Second}
			}
			return nil
		}}
		d, stop := running(t, notify.Options{Destinations: []notify.Destination{{Name: "a", Sender: s}}})
		dispatch(t, d, event("x", "1"), event("y", "2"))
		pass(2 * time.Minute)
		stop()
		if at := s.times(); len(at) != 3 || at[1].Sub(at[0]) != 40*time.Second {
			t.Errorf("attempts at %v", at)
		}
	})
}

func TestGivesUpWithAReason(t *testing.T) {
	cases := map[string]struct {
		err        error
		atMostOnce bool
		want       error
		attempts   int
	}{
		"after all attempts":              {err: errors.New("down"), want: notify.ErrExhausted, attempts: 5},
		"at once when it cannot help":     {err: &notify.SendError{Status: 400, Permanent: true}, want: notify.ErrRefused, attempts: 1},
		"when in doubt, at most once":     {err: &notify.SendError{InDoubt: true}, atMostOnce: true, want: notify.ErrInDoubt, attempts: 1},
		"not at once in doubt, otherwise": {err: &notify.SendError{InDoubt: true}, want: notify.ErrExhausted, attempts: 5},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var g graveyard
				s := &sink{answer: func(int, notify.Delivery) error { return c.err }}
				d, stop := running(t, notify.Options{OnDeadLetter: g.bury, Destinations: []notify.Destination{{Name: "a", Sender: s, AtMostOnce: c.atMostOnce}}})
				dispatch(t, d, event("x", "1"))
				pass(10 * time.Minute)
				stop()
				if len(g.letters) != 1 || !errors.Is(g.letters[0].Err, c.want) || len(s.times()) != c.attempts {
					t.Errorf("%d attempts, dead: %v", len(s.times()), g.letters)
				}
			})
		})
	}
}

func TestPanickingSenderCostsOneMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g graveyard
		s := &sink{answer: func(n int, _ notify.Delivery) error {
			if n == 0 {
				panic("boom")
			}
			return nil
		}}
		d, stop := running(t, notify.Options{OnDeadLetter: g.bury, Destinations: []notify.Destination{{Name: "a", Sender: s}}})
		dispatch(t, d, event("x", "1"), event("x", "2"))
		stop()
		if diff := cmp.Diff([]string{"2"}, s.messages()); diff != "" || len(g.letters) != 1 {
			t.Error(diff, g.letters)
		}
	})
}

func TestHangingDestinationDelaysNobodyAndStaysBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g graveyard
		good := &sink{}
		hang := notify.SenderFunc(func(ctx context.Context, _ notify.Delivery) error { <-ctx.Done(); return ctx.Err() })
		d, stop := running(t, notify.Options{OnDeadLetter: g.bury, DrainTimeout: time.Second, Destinations: []notify.Destination{
			{Name: "hangs", Sender: hang, QueueSize: 10, Timeout: time.Hour}, {Name: "good", Sender: good, QueueSize: 200},
		}})
		begun := time.Now()
		for i := range 100 {
			dispatch(t, d, event(fmt.Sprint("o", i%7), fmt.Sprint(i)))
		}
		synctest.Wait()
		if n := len(good.messages()); n != 100 || time.Since(begun) != 0 {
			t.Errorf("the good one got %d after %v", n, time.Since(begun))
		}
		s := d.Stats()[0]
		if s.Queued != 10 || s.Dropped != 90 || len(g.letters) != 90 || !errors.Is(g.letters[0].Err, notify.ErrQueueFull) {
			t.Errorf("%+v, %d dead", s, len(g.letters))
		}
		stop()
		if len(g.letters) != 100 || !errors.Is(g.letters[99].Err, notify.ErrStopped) {
			t.Errorf("%d dead after the end", len(g.letters))
		}
	})
}

func TestWaitsForSpaceWhenAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &sink{answer: func(int, notify.Delivery) error { pass(time.Second); return nil }}
		d, stop := running(t, notify.Options{Destinations: []notify.Destination{{Name: "a", Sender: slow, QueueSize: 2, Overflow: notify.Wait}}})
		for i := range 20 {
			dispatch(t, d, event(fmt.Sprint("o", i), fmt.Sprint(i)))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err := d.Dispatch(ctx, event("late", "late"))
		stop()
		if s := d.Stats()[0]; s.Delivered != 20 || s.Dropped != 1 || err != nil {
			t.Errorf("%+v, %v", s, err)
		}
	})
}

func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		d, stop := running(t, notify.Options{Destinations: []notify.Destination{{Name: "a", Sender: s, Rate: notify.Rate{Every: time.Second, Burst: 3}}}})
		for i := range 6 {
			dispatch(t, d, event("x", fmt.Sprint(i)))
		}
		pass(time.Minute)
		var offsets []time.Duration
		for _, at := range s.times() {
			offsets = append(offsets, at.Sub(s.times()[0]))
		}
		if diff := cmp.Diff([]time.Duration{0, 0, 0, time.Second, 2 * time.Second, 3 * time.Second}, offsets); diff != "" {
			t.Error(diff)
		}
		stop()
	})
}

func TestBurstsBecomeOneMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &groupSink{}
		d, stop := running(t, notify.Options{Destinations: []notify.Destination{{Name: "a", Sender: s, Group: notify.Group{Max: 10, Window: 5 * time.Second}}}})
		var want []string
		for i := range 13 {
			dispatch(t, d, event("x", fmt.Sprint(i)))
			want = append(want, fmt.Sprint(i))
		}
		pass(4 * time.Second)
		if diff := cmp.Diff(want[:10], s.messages()); diff != "" {
			t.Error("a full group goes at once, the rest waits:", diff)
		}
		pass(2 * time.Second)
		if diff := cmp.Diff(want, s.messages()); diff != "" {
			t.Error(diff)
		}
		stop()
		if diff := cmp.Diff([]int{10, 3}, s.groups); diff != "" {
			t.Error(diff)
		}
	})
}

func TestRefusesRepetitionsForAWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, stop := running(t, notify.Options{})
		e := event("x", "same")
		dispatch(t, d, e)
		e.Timestamp = e.Timestamp.Add(time.Minute)
		if _, err := d.Dispatch(t.Context(), e); !errors.Is(err, notify.ErrDuplicate) {
			t.Errorf("got %v", err)
		}
		other := e
		other.Metadata = map[string]string{"kustomize.toolkit.fluxcd.io/revision": "main@sha1:b"}
		dispatch(t, d, other)
		pass(5 * time.Minute)
		dispatch(t, d, e)
		stop()
		if _, err := d.Dispatch(t.Context(), event("x", "late")); !errors.Is(err, notify.ErrStopped) {
			t.Errorf("got %v", err)
		}
	})
}

func TestTellsOfRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rule, err := notify.Compile(notify.Rule{Severity: notify.SeverityError, Recovery: true, Sources: []notify.Source{{Kind: "*"}}})
		if err != nil {
			t.Fatal(err)
		}
		s := &sink{}
		d, stop := running(t, notify.Options{Destinations: []notify.Destination{{Name: "a", Sender: s, Rules: []*notify.Matcher{rule}}}})
		bad := failed("x", "broken")
		progress, good, again, otherwise := event("x", "working"), event("x", "applied"), event("x", "applied again"), event("y", "fine")
		progress.Reason = "Progressing"
		good.Timestamp = bad.Timestamp.Add(12 * time.Minute)
		dispatch(t, d, bad, progress, good, again, otherwise)
		stop()
		if diff := cmp.Diff([]string{"broken", "applied\nready again after 12m"}, s.messages()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestReplacedAndRemovedDestinations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g graveyard
		down := &sink{answer: func(int, notify.Delivery) error { return errors.New("down") }}
		up := &sink{}
		d, stop := running(t, notify.Options{OnDeadLetter: g.bury, Destinations: []notify.Destination{{Name: "a", Sender: down}, {Name: "b", Sender: down}}})
		dispatch(t, d, event("x", "1"))
		synctest.Wait()
		if err := d.Set(t.Context(), notify.Destination{Name: "a", Sender: up}); err != nil {
			t.Fatal(err)
		}
		d.Remove(t.Context(), "b")
		pass(time.Minute)
		dispatch(t, d, event("x", "2"))
		stop()
		if diff := cmp.Diff([]string{"1", "2"}, up.messages()); diff != "" {
			t.Error(diff)
		}
		if len(g.letters) != 1 || !errors.Is(g.letters[0].Err, notify.ErrRemoved) {
			t.Error(g.letters)
		}
	})
}

func TestMetricsCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, stop := running(t, notify.Options{Destinations: []notify.Destination{{Name: `a"b`, Sender: &sink{}}}})
		dispatch(t, d, event("x", "1"), event("x", "2"))
		stop()
		var b strings.Builder
		if err := d.WriteMetrics(&b); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"# TYPE gitopskit_notify_delivered_total counter\n", `gitopskit_notify_delivered_total{destination="a\"b"} 2` + "\n", `gitopskit_notify_queued{destination="a\"b"} 0` + "\n"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("no %q in\n%s", want, b.String())
			}
		}
	})
}

func TestNamesWhatIsMissing(t *testing.T) {
	if _, err := notify.New(t.Context(), notify.Options{Destinations: []notify.Destination{{}}}); !errors.Is(err, notify.ErrInvalid) || !strings.Contains(err.Error(), "Name, Sender") {
		t.Error(err)
	}
	d, err := notify.New(t.Context(), notify.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Dispatch(t.Context(), notify.Event{}); !errors.Is(err, notify.ErrInvalid) || !strings.Contains(err.Error(), "involvedObject.kind, involvedObject.name, message, reason") {
		t.Error(err)
	}
}
