package provider

import "github.com/gitopskit/gitopskit/notify"

type chatWidget struct {
	TextParagraph *chatText     `json:"textParagraph,omitempty"`
	KeyValue      *chatKeyValue `json:"keyValue,omitempty"`
}

type chatText struct {
	Text string `json:"text"`
}

type chatKeyValue struct {
	TopLabel         string `json:"topLabel"`
	Content          string `json:"content"`
	ContentMultiline bool   `json:"contentMultiline"`
}

type chatSection struct {
	Header  string       `json:"header,omitempty"`
	Widgets []chatWidget `json:"widgets"`
}

type chatHeader struct {
	Title    string `json:"title"`
	Subtitle string `json:"subtitle"`
}

type chatCard struct {
	Header   chatHeader    `json:"header"`
	Sections []chatSection `json:"sections"`
}

// googleChat posts a card (version 1) to a webhook of a Google Chat space.
// https://developers.google.com/chat/api/reference/rest/v1/cards-v1
func googleChat(c *Config) (notify.Sender, error) {
	if _, err := parseAddress(c); err != nil {
		return nil, err
	}
	p, err := simple(c, func(d notify.Delivery) (request, error) {
		e := d.Event
		text := chatText{e.Message}
		if isError(e) {
			text.Text = `<font color="#ff0000">` + htmlText(e.Message) + "</font>"
		} else {
			text.Text = htmlText(e.Message)
		}
		card := chatCard{
			Header:   chatHeader{Title: heading(e), Subtitle: e.Metadata[notify.MetaSummary]},
			Sections: []chatSection{{Widgets: []chatWidget{{TextParagraph: &text}}}},
		}
		if list := pairs(e); len(list) > 0 {
			s := chatSection{Header: "Metadata"}
			for _, p := range list {
				s.Widgets = append(s.Widgets, chatWidget{KeyValue: &chatKeyValue{TopLabel: p.key, Content: htmlText(p.value), ContentMultiline: true}})
			}
			card.Sections = append(card.Sections, s)
		}
		return asJSON(c.Address, struct {
			Cards []chatCard `json:"cards"`
		}{[]chatCard{card}})
	})
	if err != nil {
		return nil, err
	}
	return &grouper{poster: p}, nil
}
