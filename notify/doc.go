// Package notify tells people and systems what happened: it takes events, asks
// alert rules who is to hear of them, and sees to it that they are sent.
//
//	pool := provider.NewPool()
//	defer pool.Close()
//	slack, err := provider.New(provider.Config{Type: "slack", Address: url, HTTP: pool})
//	if err != nil { … }
//	failures, err := notify.Compile(notify.Rule{
//		Severity: notify.SeverityError,
//		Sources:  []notify.Source{{Kind: "Kustomization", Namespace: "*"}},
//		Recovery: true,
//	})
//	if err != nil { … }
//	d, err := notify.New(ctx, notify.Options{Destinations: []notify.Destination{
//		{Name: "team", Sender: slack, Rules: []*notify.Matcher{failures}, Secrets: []string{url}},
//	}})
//	if err != nil { … }
//	go d.Run(ctx) // until ctx ends, and then it drains
//	_, err = d.Dispatch(ctx, event)
//
// Providers are in notify/provider; any Sender will do. Package notify/receiver is
// for the other direction. notify itself imports nothing but the standard
// library and golang.org/x/sys.
//
// # What it guarantees
//
// Bounded: each destination has a queue of a set size and a set number of
// workers, so that one which hangs delays no other and memory does not grow. What
// has no room becomes a dead letter.
//
// Nothing is lost without a word: an event for which Dispatch returned without an
// error ends, for each destination, as delivered or as a [DeadLetter], which
// says why. With a [Store] that holds over the end of the process at any
// instant, and with [JournalOptions].Fsync over a power failure. Without a store
// it holds as long as Run gets to its end.
//
// How often: no protocol over a network can deliver exactly once by itself. When
// the connection breaks between request and answer, or the process ends there,
// the sender cannot know. What notify does is this.
//   - A refusal (an error status, but not 502 and 504) or a connection that never came
//     about, is known not to have been taken, and is tried again as Retry says.
//   - A delivery in doubt is sent again under the same [Delivery].ID. Where the
//     destination recognises that ID (PagerDuty, Opsgenie, Alertmanager, Matrix, Sentry,
//     commit statuses and comments; see [Deduplicator]), each event takes
//     effect there exactly once, or is a dead letter. Elsewhere it arrives at
//     least once, or is a dead letter.
//   - With Destination.AtMostOnce a delivery in doubt is not sent again but
//     reported as a dead letter with [ErrInDoubt]: each event arrives at most
//     once, and one that did not surely arrive is reported.
//
// So that a producer which crashed may dispatch again what it is not sure of, the
// store also keeps the keys of recent events, and IDs depend on nothing but the
// event and the destination. The one gap: a dead letter is reported before it is
// written down as reported, so a crash between the two reports it twice.
//
// In order: events of one object reach a destination in the order of their
// Dispatch, also when one of them has to be tried again. Those of different
// objects may overtake each other then.
//
// Secrets given in Options.Secrets and Destination.Secrets are masked by value in
// every event, error, dead letter and log record, also when they are URL-encoded,
// in base64, in hex or escaped for JSON or HTML.
//
// # What it does not do
//
// It watches nothing: events come from whoever calls Dispatch, or over [Handler].
// Which objects are failing, for recovery messages, is kept for the last 10,000 that
// failed at least; a store keeps it over restarts, and without one the first
// success after a restart says nothing of what was before.
package notify
