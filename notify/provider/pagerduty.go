package provider

import (
	"time"

	"github.com/gitopskit/gitopskit/notify"
)

// pagerDutySummary is how many characters a summary may have.
const pagerDutySummary = 1024

type pagerDutyPayload struct {
	Summary   string            `json:"summary"`
	Source    string            `json:"source"`
	Severity  string            `json:"severity"`
	Timestamp string            `json:"timestamp,omitempty"`
	Component string            `json:"component,omitempty"`
	Group     string            `json:"group,omitempty"`
	Class     string            `json:"class,omitempty"`
	Details   map[string]string `json:"custom_details,omitempty"`
}

type pagerDutyEvent struct {
	RoutingKey string            `json:"routing_key"`
	Action     string            `json:"event_action"`
	DedupKey   string            `json:"dedup_key"`
	Payload    *pagerDutyPayload `json:"payload,omitempty"`
	Client     string            `json:"client,omitempty"`
}

// pagerDuty triggers an incident for an error and resolves it for any other event
// of the same object. Channel is the routing key and required; Address is that
// of the events API, https://events.pagerduty.com where empty.
// https://developer.pagerduty.com/docs/events-api-v2/trigger-events/
func pagerDuty(c *Config) (notify.Sender, error) {
	if c.Address == "" {
		c.Address = "https://events.pagerduty.com"
	}
	u, err := parseAddress(c)
	if err != nil {
		return nil, err
	}
	if err := need("Channel", c.Channel); err != nil {
		return nil, err
	}
	c.Secrets = append(c.Secrets, c.Channel)
	if u.Path == "" || u.Path == "/" {
		u = u.JoinPath("v2/enqueue")
	}
	p, err := simple(c, func(d notify.Delivery) (request, error) {
		e := d.Event
		out := pagerDutyEvent{RoutingKey: c.Channel, Action: "resolve", DedupKey: objectKey(e), Client: e.ReportingController}
		if isError(e) {
			out.Action = "trigger"
			out.Payload = &pagerDutyPayload{
				Summary: clip(heading(e)+": "+body(e), pagerDutySummary), Source: "Flux " + heading(e), Severity: "error",
				Timestamp: e.Timestamp.UTC().Format(time.RFC3339), Component: e.InvolvedObject.Name, Group: e.InvolvedObject.Kind,
				Class: e.Reason, Details: details(e),
			}
		}
		return asJSON(u.String(), out)
	})
	if err != nil {
		return nil, err
	}
	p.dedup = true
	return p, nil
}

// objectKey names the object: its UID, or else kind, namespace and name.
func objectKey(e notify.Event) string {
	if e.InvolvedObject.UID != "" {
		return e.InvolvedObject.UID
	}
	return e.InvolvedObject.String()
}

func details(e notify.Event) map[string]string {
	out := map[string]string{"message": e.Message}
	for k, v := range e.Metadata {
		out[k] = v
	}
	return out
}
