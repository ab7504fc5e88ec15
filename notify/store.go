package notify

import (
	"context"
	"time"
)

// State is what became of a delivery.
type State int

// The states that a Store is told of.
const (
	// Waiting: not sent, or refused and to be sent again.
	Waiting State = iota
	// Sending: about to be sent; told only where a destination asks for
	// AtMostOnce.
	Sending
	// Delivered: the destination has it.
	Delivered
	// Dead: given up and reported.
	Dead
)

// String returns the state in lower case.
func (s State) String() string {
	switch s {
	case Sending:
		return "sending"
	case Delivered:
		return "delivered"
	case Dead:
		return "dead"
	}
	return "waiting"
}

// Store keeps accepted deliveries until they are delivered or dead. Many
// goroutines call it.
type Store interface {
	// Load returns what is kept, in the order in which it came. It is
	// called once, before the others.
	Load(ctx context.Context) (Kept, error)
	// Put keeps deliveries of one event, all or none, and its key.
	Put(ctx context.Context, key RecentKey, ds []Delivery) error
	// Mark notes what became of deliveries, by their IDs.
	Mark(ctx context.Context, s State, ids []string) error
}

// Kept is what a Store has.
type Kept struct {
	// Pending are deliveries that are neither delivered nor dead.
	Pending []Stored
	// Recent are keys of events of at least the last five minutes.
	Recent []RecentKey
	// Failing are the objects of which a destination was told last that they
	// fail, for recovery messages. A
	// store can tell from what it is given by Put.
	Failing []Failing
}

// Failing says since when an object fails, as far as a destination was told.
type Failing struct {
	Destination string `json:"destination"`
	// Object is its UID, or group/kind/namespace/name where it has none.
	Object string    `json:"object"`
	Since  time.Time `json:"since"`
}

// Stored is a delivery that was kept.
type Stored struct {
	Delivery
	// Sending says that an attempt was begun whose outcome is not known.
	Sending bool
}

// RecentKey is the key of an event and when it was dispatched.
type RecentKey struct {
	Key  string    `json:"key"`
	Time time.Time `json:"time"`
}
