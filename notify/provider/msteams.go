package provider

import (
	"net/url"
	"strings"

	"github.com/gitopskit/gitopskit/notify"
)

// msteams posts to Microsoft Teams: a MessageCard to the old webhooks at
// *.webhook.office.com, and to anything else, such as a workflow, an Adaptive
// Card 1.4.
func msteams(c *Config) (notify.Sender, error) {
	u, err := parseAddress(c)
	if err != nil {
		return nil, err
	}
	card := adaptiveCard
	if isOfficeWebhook(u) {
		card = messageCard
	}
	p, err := simple(c, func(d notify.Delivery) (request, error) { return asJSON(c.Address, card(d.Event)) })
	if err != nil {
		return nil, err
	}
	return &grouper{poster: p}, nil
}

func isOfficeWebhook(u *url.URL) bool {
	host := strings.ToLower(u.Hostname())
	return host == "webhook.office.com" || strings.HasSuffix(host, ".webhook.office.com")
}

type teamsFact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type teamsSection struct {
	ActivityTitle    string      `json:"activityTitle"`
	ActivitySubtitle string      `json:"activitySubtitle"`
	Text             string      `json:"text"`
	Facts            []teamsFact `json:"facts,omitempty"`
}

// messageCard is https://learn.microsoft.com/en-us/outlook/actionable-messages/message-card-reference
func messageCard(e notify.Event) any {
	s := teamsSection{ActivityTitle: body(e), ActivitySubtitle: heading(e), Text: e.Reason}
	for _, p := range pairs(e) {
		s.Facts = append(s.Facts, teamsFact{p.key, p.value})
	}
	return struct {
		Type       string         `json:"@type"`
		Context    string         `json:"@context"`
		ThemeColor string         `json:"themeColor"`
		Summary    string         `json:"summary"`
		Sections   []teamsSection `json:"sections"`
	}{"MessageCard", "https://schema.org/extensions", pick(e, "0076D7", "FF0000"), heading(e), []teamsSection{s}}
}

type adaptiveElement struct {
	Type   string         `json:"type"`
	Text   string         `json:"text,omitempty"`
	Wrap   bool           `json:"wrap,omitempty"`
	Weight string         `json:"weight,omitempty"`
	Size   string         `json:"size,omitempty"`
	Color  string         `json:"color,omitempty"`
	Facts  []adaptiveFact `json:"facts,omitempty"`
}

type adaptiveFact struct {
	Title string `json:"title"`
	Value string `json:"value"`
}

// adaptiveCard is https://adaptivecards.io/explorer/AdaptiveCard.html in the
// envelope of a Teams message.
func adaptiveCard(e notify.Event) any {
	elements := []adaptiveElement{
		{Type: "TextBlock", Text: heading(e), Wrap: true, Weight: "Bolder", Size: "Large"},
		{Type: "TextBlock", Text: body(e), Wrap: true, Color: pick(e, "Default", "Attention")},
	}
	if list := pairs(e); len(list) > 0 {
		set := adaptiveElement{Type: "FactSet"}
		for _, p := range list {
			set.Facts = append(set.Facts, adaptiveFact{p.key, p.value})
		}
		elements = append(elements, set)
	}
	type content struct {
		Schema  string            `json:"$schema"`
		Type    string            `json:"type"`
		Version string            `json:"version"`
		Body    []adaptiveElement `json:"body"`
	}
	type attachment struct {
		ContentType string  `json:"contentType"`
		Content     content `json:"content"`
	}
	return struct {
		Type        string       `json:"type"`
		Attachments []attachment `json:"attachments"`
	}{"message", []attachment{{
		ContentType: "application/vnd.microsoft.card.adaptive",
		Content:     content{"http://adaptivecards.io/schemas/adaptive-card.json", "AdaptiveCard", "1.4", elements},
	}}}
}
