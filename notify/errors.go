package notify

import (
	"errors"
	"fmt"
	"time"
)

// What may go wrong, for errors.Is.
var (
	// ErrInvalid: an event, a rule or an option is missing something or makes
	// no sense. Trying again with the same fails again.
	ErrInvalid = errors.New("invalid")
	// ErrTooLarge: the input exceeds a limit.
	ErrTooLarge = errors.New("too large")
	// ErrDuplicate: the same event was dispatched within the dedup window.
	ErrDuplicate = errors.New("duplicate event")
	// ErrStopped: the dispatcher is ending or has ended.
	ErrStopped = errors.New("dispatcher stopped")
	// ErrQueueFull: the destination is slower than its events, and this one
	// was the one to give way.
	ErrQueueFull = errors.New("queue of the destination is full")
	// ErrRemoved: the destination was removed before the event was sent.
	ErrRemoved = errors.New("destination removed")
	// ErrInDoubt: the connection broke, or the process ended, after the
	// message may have been taken; see Destination.AtMostOnce.
	ErrInDoubt = errors.New("delivery in doubt: sent, but no answer seen")
	// ErrRefused: the destination answered that it will never take this
	// message.
	ErrRefused = errors.New("refused by the destination")
	// ErrExhausted: each of the attempts that Retry allows has failed.
	ErrExhausted = errors.New("all attempts failed")
	// ErrStore: the store could not keep an event or what became of it.
	ErrStore = errors.New("event store failed")
)

// Error tells which operation failed on what.
type Error struct {
	// Op is what was done, such as "dispatch" or "send".
	Op string
	// Ref is what it was done to: a destination or an object.
	Ref string
	// Err is the cause.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	if e.Ref == "" {
		return fmt.Sprintf("notify: %s: %v", e.Op, e.Err)
	}
	return fmt.Sprintf("notify: %s %s: %v", e.Op, e.Ref, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// SendError is what a Sender returns to tell the dispatcher what to do next. Any
// other error counts as one that is not permanent and not in doubt.
type SendError struct {
	// Status is the HTTP status, or 0.
	Status int
	// RetryAfter is how long the destination asks to be left alone; the whole
	// destination rests that long.
	RetryAfter time.Duration
	// Permanent says that another attempt cannot help.
	Permanent bool
	// InDoubt says that the destination may have taken the message although
	// no answer was seen.
	InDoubt bool
	// Err is the cause, without secrets.
	Err error
}

// Error implements error.
func (e *SendError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("status %d", e.Status)
	}
	return e.Err.Error()
}

// Unwrap returns the cause.
func (e *SendError) Unwrap() error { return e.Err }
