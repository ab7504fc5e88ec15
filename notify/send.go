package notify

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Delivery is one event on its way to one destination.
type Delivery struct {
	// ID is the idempotency key: the same on every attempt, also after a
	// restart, and another for every other event and destination.
	ID string `json:"id"`
	// Destination is the name of the destination.
	Destination string `json:"destination"`
	// Event is what is sent: metadata merged, secrets masked. A Sender changes
	// nothing in its maps; those of other destinations may be the same.
	Event Event `json:"event"`
	// Attempt counts from 1; after a restart it begins anew.
	Attempt int `json:"-"`
}

// Sender sends one event. The context ends it after Destination.Timeout. Its error
// is best a [*SendError]. Several goroutines call it where Destination.Workers
// is more than one.
type Sender interface {
	Send(ctx context.Context, d Delivery) error
}

// SenderFunc is a function that is a Sender.
type SenderFunc func(ctx context.Context, d Delivery) error

// Send calls f.
func (f SenderFunc) Send(ctx context.Context, d Delivery) error { return f(ctx, d) }

// GroupSender is a Sender that can put several events into one message. It is
// called with two or more, in the order in which they happened.
type GroupSender interface {
	Sender
	SendGroup(ctx context.Context, ds []Delivery) error
}

// Deduplicator is a Sender that tells whether its destination recognises a
// Delivery.ID that it has seen, so that sending again does no harm.
type Deduplicator interface {
	Deduplicates() bool
}

// Digest makes one event of several, for destinations whose messages hold one
// text: the worst severity, the newest time, and one line for each event. It
// panics if there are none.
func Digest(events []Event) Event {
	if len(events) == 1 {
		return events[0]
	}
	out := events[0]
	var b strings.Builder
	fmt.Fprintf(&b, "%d events", len(events))
	objects := map[string]bool{}
	reason := out.Reason
	for _, e := range events {
		objects[e.InvolvedObject.lane()] = true
		if e.Severity.rank() > out.Severity.rank() {
			out.Severity = e.Severity
		}
		if e.Timestamp.After(out.Timestamp) {
			out.Timestamp = e.Timestamp
		}
		if e.Reason != reason {
			reason = "SeveralEvents"
		}
		fmt.Fprintf(&b, "\n%s %s: %s", e.InvolvedObject, e.Reason, strings.TrimSpace(e.Message))
	}
	out.Reason, out.Message, out.Metadata = reason, cut(b.String(), MaxMessage), nil
	if len(objects) > 1 {
		out.Metadata = map[string]string{"objects": fmt.Sprint(len(objects))}
	} else {
		out.Metadata = events[len(events)-1].Metadata
	}
	return out
}

// DeadLetter is an event that will not be delivered, and why.
type DeadLetter struct {
	Delivery
	// Err wraps ErrQueueFull, ErrRemoved, ErrStopped, ErrInDoubt, ErrRefused
	// or ErrExhausted, and the last cause; secrets are masked.
	Err error
	// Time is when it was given up.
	Time time.Time
}
