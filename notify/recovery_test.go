package notify_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitopskit/gitopskit/notify"
)

// TestRecoveryIsToldAfterRestart runs a dispatcher three times over one journal: an
// object fails in the first, is well again in the second, and still is in the third.
func TestRecoveryIsToldAfterRestart(t *testing.T) {
	for name, compacted := range map[string]bool{"from the lines as they were written": false, "from a journal written anew": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			bad, worse, good, again := failed("x", "broken"), failed("x", "broken still"), event("x", "applied"), event("x", "applied again")
			worse.Timestamp = bad.Timestamp.Add(5 * time.Minute)
			good.Timestamp, again.Timestamp = bad.Timestamp.Add(12*time.Minute), bad.Timestamp.Add(time.Hour)
			if diff := cmp.Diff([]string{"broken"}, sentOverJournal(t, dir, bad)); diff != "" {
				t.Error(diff)
			}
			if compacted {
				fillJournal(t, dir)
			}
			if diff := cmp.Diff([]string{"broken still", "applied\nready again after 12m"}, sentOverJournal(t, dir, worse, good)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]string(nil), sentOverJournal(t, dir, again)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// sentOverJournal runs a dispatcher for these events and returns what was sent.
func sentOverJournal(t *testing.T, dir string, events ...notify.Event) []string {
	t.Helper()
	rule, err := notify.Compile(notify.Rule{Severity: notify.SeverityError, Recovery: true, Sources: []notify.Source{{Kind: "*"}}})
	if err != nil {
		t.Fatal(err)
	}
	j := openJournal(t, dir)
	s := &sink{}
	d, stop := running(t, notify.Options{Store: j, Destinations: []notify.Destination{{Name: "a", Sender: s, Rules: []*notify.Matcher{rule}}}})
	dispatch(t, d, events...)
	stop()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return s.messages()
}

// fillJournal writes so much of no more use that the journal is written anew.
func fillJournal(t *testing.T, dir string) {
	t.Helper()
	j, err := notify.OpenJournal(dir, notify.JournalOptions{Window: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5000 {
		id := fmt.Sprint(i)
		put(t, j, id)
		if err := j.Mark(t.Context(), notify.Delivered, []string{id}); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}
