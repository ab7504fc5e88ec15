package provider

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/gitopskit/gitopskit/notify"
)

// Limits of https://zulip.com/api/send-message, in characters.
const (
	zulipTopicLimit   = 60
	zulipContentLimit = 10_000
)

// zulip sends to a channel: Address is the server, Channel is STREAM/TOPIC, and
// Username and Password are the bot's address and API key; all are required.
func zulip(c *Config) (notify.Sender, error) {
	u, err := parseAddress(c)
	if err != nil {
		return nil, err
	}
	if err := need("Channel", c.Channel, "Username", c.Username, "Password", c.Password); err != nil {
		return nil, err
	}
	stream, topic, ok := strings.Cut(c.Channel, "/")
	if !ok || stream == "" || topic == "" {
		return nil, invalid("Channel must be STREAM/TOPIC")
	}
	call, err := newCaller(c)
	if err != nil {
		return nil, err
	}
	to := u.JoinPath("api/v1/messages").String()
	p := &poster{caller: call, build: func(_ context.Context, d notify.Delivery) (request, error) {
		form := url.Values{"type": {"stream"}, "to": {stream}, "topic": {clip(topic, zulipTopicLimit)}, "content": {zulipText(d.Event)}}
		return request{method: http.MethodPost, url: to, body: []byte(form.Encode()), header: map[string]string{
			"Content-Type": "application/x-www-form-urlencoded", "Authorization": basic(c.Username, c.Password),
		}}, nil
	}}
	return &grouper{poster: p}, nil
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func zulipText(e notify.Event) string {
	var meta strings.Builder
	for _, p := range pairs(e) {
		fmt.Fprintf(&meta, "\n* **%s**: %s", p.key, p.value)
	}
	return clip(fmt.Sprintf("%s **%s**\n%s\n%s", pick(e, "💫", "🚨"), heading(e), body(e), meta.String()), zulipContentLimit)
}
