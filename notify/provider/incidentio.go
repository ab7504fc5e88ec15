package provider

import "github.com/gitopskit/gitopskit/notify"

// incidentIO posts to an HTTP alert source: an error fires, any other event of
// the same object resolves. Address is the source's, as in
// https://api.incident.io/v2/alert_events/http/ID, and Token is required.
// https://api-docs.incident.io/tag/Alert-Events-V2
func incidentIO(c *Config) (notify.Sender, error) {
	if _, err := parseAddress(c); err != nil {
		return nil, err
	}
	if err := need("Token", c.Token); err != nil {
		return nil, err
	}
	p, err := simple(c, func(d notify.Delivery) (request, error) {
		e := d.Event
		r, err := asJSON(c.Address, struct {
			Title       string            `json:"title"`
			Description string            `json:"description"`
			Status      string            `json:"status"`
			DedupKey    string            `json:"deduplication_key"`
			Metadata    map[string]string `json:"metadata"`
		}{heading(e) + ": " + e.Reason, body(e), pick(e, "resolved", "firing"), objectKey(e), details(e)})
		return r.with("Authorization", "Bearer "+c.Token), err
	})
	if err != nil {
		return nil, err
	}
	p.dedup = true
	return p, nil
}
