package notify

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Stats are the counts of one destination since it was added.
type Stats struct {
	Destination string
	// Queued is how many events wait or are being sent now.
	Queued int
	// Accepted, Delivered and Dead count events. What the store brought back
	// is not among the accepted.
	Accepted, Delivered, Dead int64
	// Dropped counts those of the dead for which the queue had no space.
	Dropped int64
	// Messages counts attempts, one for a group; Failures those that failed.
	Messages, Failures int64
	// SendTime is the sum of the time of all attempts.
	SendTime time.Duration
}

// Stats returns the counts of each destination, in the order of Set.
func (d *Dispatcher) Stats() []Stats {
	d.mu.RLock()
	targets := d.targets
	d.mu.RUnlock()
	out := make([]Stats, 0, len(targets))
	for _, t := range targets {
		c := &t.counts
		out = append(out, Stats{
			Destination: t.name, Queued: t.queue.length(), Accepted: c.accepted.Load(), Delivered: c.delivered.Load(),
			Dead: c.dead.Load(), Dropped: c.dropped.Load(), Messages: c.messages.Load(), Failures: c.failures.Load(),
			SendTime: time.Duration(c.sendNanos.Load()),
		})
	}
	return out
}

// WriteMetrics writes the Stats in the text format of Prometheus.
func (d *Dispatcher) WriteMetrics(w io.Writer) error {
	stats := d.Stats()
	for _, m := range [...]struct {
		name, kind, help string
		value            func(Stats) any
	}{
		{"queued", "gauge", "Events that wait or are being sent.", func(s Stats) any { return s.Queued }},
		{"accepted_total", "counter", "Events taken for the destination.", func(s Stats) any { return s.Accepted }},
		{"delivered_total", "counter", "Events delivered.", func(s Stats) any { return s.Delivered }},
		{"dead_total", "counter", "Events given up.", func(s Stats) any { return s.Dead }},
		{"dropped_total", "counter", "Events given up because the queue was full.", func(s Stats) any { return s.Dropped }},
		{"messages_total", "counter", "Attempts to send.", func(s Stats) any { return s.Messages }},
		{"failures_total", "counter", "Attempts that failed.", func(s Stats) any { return s.Failures }},
		{"send_seconds_total", "counter", "Time spent in attempts.", func(s Stats) any { return s.SendTime.Seconds() }},
	} {
		if _, err := fmt.Fprintf(w, "# HELP gitopskit_notify_%s %s\n# TYPE gitopskit_notify_%s %s\n", m.name, m.help, m.name, m.kind); err != nil {
			return err
		}
		for _, s := range stats {
			if _, err := fmt.Fprintf(w, "gitopskit_notify_%s{destination=\"%s\"} %v\n", m.name, label(s.Destination), m.value(s)); err != nil {
				return err
			}
		}
	}
	return nil
}

func label(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s)
}
