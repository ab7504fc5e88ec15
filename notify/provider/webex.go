package provider

import (
	"fmt"
	"strings"

	"github.com/gitopskit/gitopskit/notify"
)

// webex posts markdown to a room: Address is https://webexapis.com/v1/messages,
// Channel the room's ID and Token a bot's; all are required.
// https://developer.webex.com/docs/api/v1/messages/create-a-message
func webex(c *Config) (notify.Sender, error) {
	if _, err := parseAddress(c); err != nil {
		return nil, err
	}
	if err := need("Channel", c.Channel, "Token", c.Token); err != nil {
		return nil, err
	}
	p, err := simple(c, func(d notify.Delivery) (request, error) {
		r, err := asJSON(c.Address, struct {
			RoomID   string `json:"roomId"`
			Markdown string `json:"markdown"`
		}{c.Channel, webexText(d.Event)})
		return r.with("Authorization", "Bearer "+c.Token), err
	})
	if err != nil {
		return nil, err
	}
	return &grouper{poster: p}, nil
}

// webexLimit is how many bytes a message may have.
const webexLimit = 7439

func webexText(e notify.Event) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s **%s**\n\n%s\n", pick(e, "✅", "❌"), heading(e), body(e))
	for _, p := range pairs(e) {
		fmt.Fprintf(&b, "\n- **%s**: %s", p.key, p.value)
	}
	return cutBytes(b.String(), webexLimit)
}
