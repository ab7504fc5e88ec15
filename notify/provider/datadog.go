package provider

import (
	"strings"

	"github.com/gitopskit/gitopskit/notify"
)

// datadogText is how many characters a text may have.
const datadogText = 4000

// datadog makes an event. Address is the API's site, as in
// https://api.datadoghq.com, and Token the API key; both are required. Channel,
// optional, holds further tags, separated by commas.
// https://docs.datadoghq.com/api/latest/events/#post-an-event
func datadog(c *Config) (notify.Sender, error) {
	u, err := parseAddress(c)
	if err != nil {
		return nil, err
	}
	if err := need("Token", c.Token); err != nil {
		return nil, err
	}
	if u.Path == "" || u.Path == "/" {
		u = u.JoinPath("api/v1/events")
	}
	p, err := simple(c, func(d notify.Delivery) (request, error) {
		e := d.Event
		r, err := asJSON(u.String(), struct {
			Title          string   `json:"title"`
			Text           string   `json:"text"`
			AlertType      string   `json:"alert_type"`
			SourceTypeName string   `json:"source_type_name"`
			Aggregation    string   `json:"aggregation_key"`
			DateHappened   int64    `json:"date_happened"`
			Host           string   `json:"host,omitempty"`
			Tags           []string `json:"tags"`
		}{
			clip(heading(e)+": "+e.Reason, 500), clip(body(e), datadogText), pick(e, "info", "error"), "fluxcd",
			clip(objectKey(e), 100), e.Timestamp.Unix(), e.ReportingInstance, datadogTags(c, e),
		})
		return r.with("DD-API-KEY", c.Token), err
	})
	if err != nil {
		return nil, err
	}
	return &grouper{poster: p}, nil
}

func datadogTags(c *Config, e notify.Event) []string {
	tags := []string{
		"flux_reporting_controller:" + e.ReportingController, "flux_reason:" + e.Reason, "flux_severity:" + string(e.Severity),
		"kube_kind:" + e.InvolvedObject.Kind, "kube_name:" + e.InvolvedObject.Name, "kube_namespace:" + e.InvolvedObject.Namespace,
	}
	for _, p := range pairs(e) {
		tags = append(tags, p.key+":"+p.value)
	}
	for t := range strings.SplitSeq(c.Channel, ",") {
		if t = strings.TrimSpace(t); t != "" {
			tags = append(tags, t)
		}
	}
	for i := range tags {
		tags[i] = strings.ToLower(clip(tags[i], 200))
	}
	return tags
}
