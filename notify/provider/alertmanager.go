package provider

import (
	"context"
	"time"

	"github.com/gitopskit/gitopskit/notify"
)

type amAlert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    string            `json:"startsAt"`
}

// alertmanager posts alerts to Prometheus Alertmanager: Address is
// https://HOST/api/v2/alerts; Token, or Username and Password, logs in. An alert
// is named by kind and reason; its labels, and so its identity, are those of the
// object and the metadata.
// https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
func alertmanager(c *Config) (notify.Sender, error) {
	if _, err := parseAddress(c); err != nil {
		return nil, err
	}
	message := func(ds []notify.Delivery) (request, error) {
		alerts := make([]amAlert, len(ds))
		for i, d := range ds {
			alerts[i] = toAlert(d.Event)
		}
		r, err := asJSON(c.Address, alerts)
		return r.login(c), err
	}
	call, err := newCaller(c)
	if err != nil {
		return nil, err
	}
	return &grouper{group: message, poster: &poster{caller: call, dedup: true, build: func(_ context.Context, d notify.Delivery) (request, error) {
		return message([]notify.Delivery{d})
	}}}, nil
}

func toAlert(e notify.Event) amAlert {
	labels := map[string]string{}
	for _, p := range pairs(e) {
		labels[labelName(p.key)] = p.value
	}
	for k, v := range map[string]string{
		"alertname": "Flux" + e.InvolvedObject.Kind + e.Reason, "severity": string(e.Severity), "reason": e.Reason,
		"kind": e.InvolvedObject.Kind, "name": e.InvolvedObject.Name,
		"namespace": e.InvolvedObject.Namespace, "reportingcontroller": e.ReportingController,
	} {
		labels[k] = v
	}
	for k, v := range labels {
		if v == "" { // Alertmanager counts it as not there
			delete(labels, k)
		}
	}
	annotations := map[string]string{"message": e.Message}
	if s := e.Metadata[notify.MetaSummary]; s != "" {
		annotations["summary"] = s
	}
	return amAlert{Labels: labels, Annotations: annotations, StartsAt: e.Timestamp.UTC().Format(time.RFC3339)}
}

// labelName makes a name of [a-zA-Z_][a-zA-Z0-9_]*.
func labelName(s string) string {
	b := []byte(s)
	for i, c := range b {
		digit := '0' <= c && c <= '9'
		if !(digit && i > 0 || c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z') {
			b[i] = '_'
		}
	}
	return string(b)
}
