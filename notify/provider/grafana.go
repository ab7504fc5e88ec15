package provider

import "github.com/gitopskit/gitopskit/notify"

// grafana makes an annotation. Address is that of the annotations API, as in
// https://HOST/api/annotations; Token, or Username and Password, logs in.
// https://grafana.com/docs/grafana/latest/developers/http_api/annotations/
func grafana(c *Config) (notify.Sender, error) {
	if _, err := parseAddress(c); err != nil {
		return nil, err
	}
	p, err := simple(c, func(d notify.Delivery) (request, error) {
		e := d.Event
		tags := []string{"flux", e.ReportingController, "kind: " + e.InvolvedObject.Kind, "name: " + e.InvolvedObject.Name, "namespace: " + e.InvolvedObject.Namespace}
		for _, p := range pairs(e) {
			tags = append(tags, p.key+": "+p.value)
		}
		r, err := asJSON(c.Address, struct {
			When int64    `json:"time"`
			Text string   `json:"text"`
			Tags []string `json:"tags"`
		}{e.Timestamp.UnixMilli(), heading(e) + ": " + body(e), tags})
		return r.login(c), err
	})
	if err != nil {
		return nil, err
	}
	return &grouper{poster: p}, nil
}

// login adds Token, or else Username and Password.
func (r request) login(c *Config) request {
	switch {
	case c.Token != "":
		return r.with("Authorization", "Bearer "+c.Token)
	case c.Username != "" && c.Password != "":
		return r.with("Authorization", basic(c.Username, c.Password))
	}
	return r
}
