package provider

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/gitopskit/gitopskit/notify"
)

// matrix puts a message into a room: Address is the homeserver, Channel the
// room's ID and Token an access token; all are required. The transaction's ID
// is the delivery's, so that the homeserver takes it once.
// https://spec.matrix.org/v1.11/client-server-api/#put_matrixclientv3roomsroomidsendeventtypetxnid
func matrix(c *Config) (notify.Sender, error) {
	u, err := parseAddress(c)
	if err != nil {
		return nil, err
	}
	if err := need("Channel", c.Channel, "Token", c.Token); err != nil {
		return nil, err
	}
	call, err := newCaller(c)
	if err != nil {
		return nil, err
	}
	base := strings.TrimSuffix(u.String(), "/") + "/_matrix/client/v3/rooms/" + url.PathEscape(c.Channel) + "/send/m.room.message/"
	return &poster{caller: call, dedup: true, build: func(_ context.Context, d notify.Delivery) (request, error) {
		r, err := asJSON(base+url.PathEscape(d.ID), struct {
			MsgType string `json:"msgtype"`
			Body    string `json:"body"`
		}{"m.text", plainText(d.Event)})
		r.method = http.MethodPut
		return r.with("Authorization", "Bearer "+c.Token), err
	}}, nil
}

// plainText is a message without any markup.
func plainText(e notify.Event) string {
	var b strings.Builder
	b.WriteString(pick(e, "💫 ", "🚨 ") + heading(e) + "\n" + body(e))
	for _, p := range pairs(e) {
		b.WriteString("\n- " + p.key + ": " + p.value)
	}
	return b.String()
}
