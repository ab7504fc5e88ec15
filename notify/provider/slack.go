package provider

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/gitopskit/gitopskit/notify"
)

// slackMessage is Slack's legacy message with attachments, which its webhooks,
// chat.postMessage, Discord's /slack and Rocket.Chat take.
// https://api.slack.com/reference/messaging/attachments
type slackMessage struct {
	Channel     string            `json:"channel,omitempty"`
	Username    string            `json:"username,omitempty"`
	IconURL     string            `json:"icon_url,omitempty"`
	IconEmoji   string            `json:"icon_emoji,omitempty"`
	Text        string            `json:"text,omitempty"`
	Attachments []slackAttachment `json:"attachments"`
}

type slackAttachment struct {
	Color      string       `json:"color"`
	AuthorName string       `json:"author_name"`
	Text       string       `json:"text"`
	MrkdwnIn   []string     `json:"mrkdwn_in,omitempty"`
	Fields     []slackField `json:"fields,omitempty"`
	Timestamp  int64        `json:"ts,omitempty"`
}

type slackField struct {
	Title string `json:"title"`
	Value string `json:"value"`
	Short bool   `json:"short"`
}

// slackColors are what a type calls its colors.
type slackColors struct{ good, bad string }

// slackGroupMax is how many attachments a message holds; Slack advises no more.
const slackGroupMax = 20

func attachment(e notify.Event, colors slackColors) slackAttachment {
	a := slackAttachment{Color: pick(e, colors.good, colors.bad), AuthorName: heading(e), Text: body(e), MrkdwnIn: []string{"text"}}
	for _, p := range pairs(e) {
		a.Fields = append(a.Fields, slackField{Title: p.key, Value: p.value})
	}
	return a
}

func slackLike(c *Config, colors slackColors, url, username string) (*grouper, error) {
	message := func(ds ...notify.Delivery) (request, error) {
		m := slackMessage{Channel: c.Channel, Username: username}
		for i, d := range ds {
			if i == slackGroupMax-1 && len(ds) > slackGroupMax {
				d = digest(ds[i:])
				m.Attachments = append(m.Attachments, attachment(d.Event, colors))
				break
			}
			m.Attachments = append(m.Attachments, attachment(d.Event, colors))
		}
		r, err := asJSON(url, m)
		if c.Token != "" {
			r.header["Authorization"] = "Bearer " + c.Token
		}
		return r, err
	}
	p, err := simple(c, func(d notify.Delivery) (request, error) { return message(d) })
	if err != nil {
		return nil, err
	}
	return &grouper{poster: p, group: func(ds []notify.Delivery) (request, error) { return message(ds...) }}, nil
}

// slack posts to a webhook, or with Token to https://slack.com/api/chat.postMessage,
// which needs Channel and whose answer tells in its body whether it worked.
func slack(c *Config) (notify.Sender, error) {
	u, err := parseAddress(c)
	if err != nil {
		return nil, err
	}
	g, err := slackLike(c, slackColors{"good", "danger"}, c.Address, c.Username)
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(u.Path, "/chat.postMessage") {
		if err := need("Channel", c.Channel, "Token", c.Token); err != nil {
			return nil, err
		}
		g.check = slackAnswer
	}
	return g, nil
}

func slackAnswer(body []byte) error {
	var answer struct {
		OK    bool   `json:"ok"`
		Error string `json:"error"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return &notify.SendError{InDoubt: true, Err: fmt.Errorf("the answer of Slack is no JSON: %w", err)}
	}
	if answer.OK {
		return nil
	}
	s := &notify.SendError{Status: 200, Err: fmt.Errorf("answer of Slack: %q", answer.Error)}
	switch answer.Error {
	case "ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout":
	default:
		s.Permanent = true
	}
	return s
}

// discord posts Slack's message to the webhook's address with /slack.
func discord(c *Config) (notify.Sender, error) {
	u, err := parseAddress(c)
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(u.Path, "/slack") {
		u = u.JoinPath("slack")
	}
	return slackLike(c, slackColors{"good", "danger"}, u.String(), c.Username)
}

// rocket posts Slack's message with hexadecimal colors to a Rocket.Chat webhook.
func rocket(c *Config) (notify.Sender, error) {
	u, err := parseAddress(c)
	if err != nil {
		return nil, err
	}
	return slackLike(c, slackColors{"#0076D7", "#FF0000"}, u.String(), c.Username)
}
