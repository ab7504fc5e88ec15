package notify

import (
	"strings"
	"time"
)

// maxFailing bounds the objects of which a destination remembers that they fail.
const maxFailing = 10_000

// match applies the rules and tells of recovery.
func (t *target) match(e Event, seen *verdicts) (Event, bool) {
	c := t.config()
	sent, ok := c.pass(e, seen)
	object := e.InvolvedObject.lane()
	if e.Severity == SeverityError {
		if ok {
			t.failing.add(object, e.Timestamp, e.Timestamp)
		}
		return sent, ok
	}
	if e.Severity != SeverityInfo || !settles(e.Reason) {
		return sent, ok
	}
	since, failed := t.failing.get(object, e.Timestamp)
	if !failed {
		return sent, ok
	}
	if !ok {
		if sent, ok = c.passRecovery(e); !ok {
			t.failing.remove(object)
			return sent, false
		}
	}
	t.failing.remove(object)
	return recovered(sent, e.Timestamp.Sub(since)), true
}

func (d *Destination) passRecovery(e Event) (Event, bool) {
	for _, m := range d.Rules {
		if m.rule.Recovery && m.matchSource(e) {
			e.Metadata = m.metadata(e)
			return e, true
		}
	}
	return Event{}, false
}

// settles tells whether an info event with this reason says that the object is
// well, and not only that work goes on.
func settles(reason string) bool {
	switch reason {
	case "Progressing", "ProgressingWithRetry", "DependencyNotReady", "HealthCheckStarted", "DriftDetected":
		return false
	}
	return true
}

func recovered(e Event, after time.Duration) Event {
	text := after.Round(time.Second).String()
	if after >= time.Minute {
		text = strings.TrimSuffix(after.Round(time.Minute).String(), "0s")
	}
	meta := make(map[string]string, len(e.Metadata)+1)
	for k, v := range e.Metadata {
		meta[k] = v
	}
	meta[MetaRecoveredAfter] = text
	e.Metadata = meta
	e.Message = cut(e.Message, MaxMessage-64) + "\nready again after " + text
	return e
}

// key tells objects of destinations apart.
func (f Failing) key() string { return f.Destination + "\x00" + f.Object }

// noteHealth keeps what a delivery says of its object: an error that it fails, and
// a recovery that it does so no more.
func (j *Journal) noteHealth(d Delivery) {
	f := Failing{Destination: d.Destination, Object: d.Event.InvolvedObject.lane(), Since: d.Event.Timestamp}
	switch {
	case d.Event.Severity == SeverityError:
		j.failing.add(f.key(), f, f.Since)
	case d.Event.Metadata[MetaRecoveredAfter] != "":
		j.failing.remove(f.key())
	}
}
