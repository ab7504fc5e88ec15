package ssa

import (
	"net/http"
	"sync/atomic"
	"time"
)

// What this package takes from times, it takes from the API server's clock alone:
// managedFields say when a manager last changed something, and the Date of the
// answer to a request says what time it was for the server that carried it out.
// Our own clock is never compared with either. Servers of one cluster may have
// clocks that differ; an answer's Date belongs to the one that would have written
// the time. A proxy that dates answers anew, by a clock that is off by more than a
// minute, is found out at the first write (see serverClock); without Dates,
// doubt costs a comparison of whole objects.

// An exchange is what a write hears of the HTTP exchange that it led to.
type exchange struct {
	lost atomic.Bool  // a request got no answer, or one that leaves open whether it was carried out
	date atomic.Int64 // of the last answer, seconds since 1970; 0 if it did not say
}

// exchangeKey is the context key of an *exchange. This package's retries are not
// all that make requests: client-go has its own.
type exchangeKey struct{}

func noteExchange(req *http.Request, resp *http.Response, err error) {
	x, ok := req.Context().Value(exchangeKey{}).(*exchange)
	if !ok {
		return
	}
	if err != nil || resp.StatusCode >= http.StatusInternalServerError {
		x.lost.Store(true)
	}
	if err != nil {
		return
	}
	if t, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		x.date.Store(t.Unix())
	} else {
		x.date.Store(0)
	}
}

// slowest is how much later than the time in managedFields the Date of an answer
// may be, in seconds: webhooks are asked in between.
const slowest = 60

// A serverClock knows whether the Dates of answers are those of the clock that
// makes the times in managedFields. If they are not, they are not used.
type serverClock struct{ foreign atomic.Bool }

// at returns an answer's Date; zero if it is not known.
func (c *serverClock) at(x *exchange) time.Time {
	if s := x.date.Load(); s != 0 && !c.foreign.Load() {
		return time.Unix(s, 0)
	}
	return time.Time{}
}

// check compares the Date of an answer with a time that the server has set to
// carry the request out, and returns the answer without a Date that is not to be
// trusted.
func (c *serverClock) check(ans answer, set int64) answer {
	if ans.at.IsZero() || set == 0 {
		return ans
	}
	if late := ans.at.Unix() - set; late < -1 || late > slowest {
		c.foreign.Store(true)
		ans.at = time.Time{}
	}
	return ans
}

// tells reports whether a change that the server makes now would show by a time
// other than the given one: times have whole seconds.
func (a answer) tells(other int64) bool {
	return !a.at.IsZero() && (a.at.Unix() >= other+2 || a.at.Unix() <= other-2)
}
