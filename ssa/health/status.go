package health

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gitopskit/gitopskit/inventory"
)

// A Status is how far an object has come towards what its spec asks for.
type Status string

// The statuses.
const (
	Current     Status = "Current"     // as its spec asks for
	InProgress  Status = "InProgress"  // on its way
	Failed      Status = "Failed"      // can't get there without somebody's help
	Terminating Status = "Terminating" // being deleted
	NotFound    Status = "NotFound"    // not there
	Unknown     Status = "Unknown"     // not seen yet, or can't be read
)

// A Report is an object's status and what there is to say about it.
type Report struct {
	Status  Status
	Message string // for people; "" where the status says it all
}

// An Observation is the report about one object.
type Observation struct {
	Ref     inventory.Ref
	Version string // API version without group
	Report
}

// String returns a line such as
//
//	Deployment/shop/web: InProgress: 1 of 3 pods are available
func (o Observation) String() string {
	s := o.Ref.String() + ": " + string(o.Status)
	if o.Message != "" {
		s += ": " + o.Message
	}
	return s
}

var (
	// ErrTimeout is wrapped by the error of a wait that ran out of time.
	ErrTimeout = errors.New("not ready in time")

	// ErrFailed is wrapped by the error of a wait for objects of which some
	// have failed.
	ErrFailed = errors.New("failed")
)

// A WaitError tells which objects were not ready when a wait ended, and why.
type WaitError struct {
	Err     error         // ErrTimeout, ErrFailed or the context's error
	Missing []Observation // what is not ready, failed objects first
	Total   int           // how many objects were waited for
}

// maxListed is how many objects the text of a WaitError names.
const maxListed = 20

// Error lists what is missing, a line each.
func (e *WaitError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "health: %v: %d of %d objects are not ready", e.Err, len(e.Missing), e.Total)
	for i, o := range e.Missing {
		if i == maxListed {
			fmt.Fprintf(&b, "\nand %d more", len(e.Missing)-i)
			break
		}
		b.WriteString("\n")
		b.WriteString(o.String())
	}
	return b.String()
}

// Unwrap returns the reason why the wait ended.
func (e *WaitError) Unwrap() error { return e.Err }
