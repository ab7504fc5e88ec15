package provider

import "github.com/gitopskit/gitopskit/notify"

type zoomStyle struct {
	Color string `json:"color,omitempty"`
	Bold  bool   `json:"bold,omitempty"`
}

type zoomText struct {
	Text  string     `json:"text"`
	Style *zoomStyle `json:"style,omitempty"`
}

type zoomField struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type zoomBlock struct {
	Type  string      `json:"type"`
	Text  string      `json:"text,omitempty"`
	Items []zoomField `json:"items,omitempty"`
}

type zoomHead struct {
	zoomText
	SubHead *zoomText `json:"sub_head,omitempty"`
}

type zoomMessage struct {
	Head zoomHead    `json:"head"`
	Body []zoomBlock `json:"body"`
}

// zoom posts to the Incoming Webhook app of Zoom Team Chat in its full format:
// Address is the webhook's without a query and Token its verification token; both
// are required.
// https://developers.zoom.us/docs/team-chat/customizing-messages/
func zoom(c *Config) (notify.Sender, error) {
	u, err := parseAddress(c)
	if err != nil {
		return nil, err
	}
	if err := need("Token", c.Token); err != nil {
		return nil, err
	}
	q := u.Query()
	q.Set("format", "full")
	u.RawQuery = q.Encode()
	p, err := simple(c, func(d notify.Delivery) (request, error) {
		e := d.Event
		m := zoomMessage{Head: zoomHead{zoomText: zoomText{Text: heading(e), Style: &zoomStyle{Color: pick(e, "#0076D7", "#FF0000"), Bold: true}}}}
		if s := e.Metadata[notify.MetaSummary]; s != "" {
			m.Head.SubHead = &zoomText{Text: s}
		}
		m.Body = []zoomBlock{{Type: "message", Text: e.Message}}
		if list := pairs(e); len(list) > 0 {
			fields := zoomBlock{Type: "fields"}
			for _, p := range list {
				fields.Items = append(fields.Items, zoomField{p.key, p.value})
			}
			m.Body = append(m.Body, fields)
		}
		r, err := asJSON(u.String(), struct {
			Content zoomMessage `json:"content"`
		}{m})
		return r.with("Authorization", c.Token), err
	})
	if err != nil {
		return nil, err
	}
	return &grouper{poster: p}, nil
}
