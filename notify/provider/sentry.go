package provider

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gitopskit/gitopskit/notify"
)

// sentry sends an error as an event and anything else as a transaction. Address is
// the DSN, https://KEY@HOST/PROJECT; Channel, optional, is the environment.
// https://develop.sentry.dev/sdk/data-model/envelopes/
func sentry(c *Config) (notify.Sender, error) {
	u, err := parseAddress(c)
	if err != nil {
		return nil, err
	}
	at := strings.LastIndex(strings.TrimSuffix(u.Path, "/"), "/")
	project := ""
	if at >= 0 {
		project = strings.Trim(u.Path[at:], "/")
	}
	if u.User == nil || u.User.Username() == "" || project == "" {
		return nil, invalid("Address must be a DSN like https://KEY@HOST/PROJECT")
	}
	key := u.User.Username()
	c.Secrets = append(c.Secrets, key)
	call, err := newCaller(c)
	if err != nil {
		return nil, err
	}
	to := (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path[:at] + "/api/" + project + "/envelope/"}).String()
	return &poster{caller: call, build: func(_ context.Context, d notify.Delivery) (request, error) {
		body, err := sentryEnvelope(c, d)
		return request{method: http.MethodPost, url: to, body: body, header: map[string]string{
			"Content-Type":  "application/x-sentry-envelope",
			"X-Sentry-Auth": "Sentry sentry_version=7, sentry_client=gitopskit/1.0, sentry_key=" + key,
		}}, err
	}, dedup: true}, nil
}

// sentryEnvelope holds one item; the event's ID is the delivery's, so that Sentry
// takes it once.
func sentryEnvelope(c *Config, d notify.Delivery) ([]byte, error) {
	e := d.Event
	id := hash(d.ID)[:32]
	kind := pick(e, "transaction", "event")
	when := e.Timestamp.UTC().Format(time.RFC3339)
	item := map[string]any{
		"event_id": id, "timestamp": when, "platform": "other", "level": pick(e, "info", "error"),
		"tags": sentryTags(e), "extra": e.Metadata, "server_name": e.ReportingController,
		"transaction": e.InvolvedObject.Kind + ": " + e.InvolvedObject.Namespace + "/" + e.InvolvedObject.Name,
	}
	if c.Channel != "" {
		item["environment"] = c.Channel
	}
	if isError(e) {
		item["message"] = map[string]string{"formatted": clip(body(e), 8192)}
		item["fingerprint"] = []string{objectKey(e), e.Reason}
	} else {
		item["type"] = "transaction"
		item["start_timestamp"] = when
		item["contexts"] = map[string]any{"trace": map[string]string{
			"trace_id": hash("trace " + d.ID)[:32], "span_id": hash("span " + d.ID)[:16], "op": e.Reason, "description": clip(e.Message, 1024),
		}}
	}
	payload, err := marshal(item)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	if err := enc.Encode(map[string]string{"event_id": id, "sent_at": when}); err != nil {
		return nil, err
	}
	if err := enc.Encode(map[string]any{"type": kind, "length": len(payload), "content_type": "application/json"}); err != nil {
		return nil, err
	}
	return append(append(b.Bytes(), payload...), '\n'), nil
}

func sentryTags(e notify.Event) map[string]string {
	return map[string]string{"kind": e.InvolvedObject.Kind, "namespace": e.InvolvedObject.Namespace, "name": e.InvolvedObject.Name, "reason": e.Reason}
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
