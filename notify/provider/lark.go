package provider

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/gitopskit/gitopskit/notify"
)

type larkText struct {
	Tag     string `json:"tag"`
	Content string `json:"content"`
}

type larkElement struct {
	Tag  string   `json:"tag"`
	Text larkText `json:"text"`
}

type larkHeader struct {
	Title    larkText `json:"title"`
	Template string   `json:"template"`
}

type larkCard struct {
	Config struct {
		WideScreenMode bool `json:"wide_screen_mode"`
	} `json:"config"`
	Header   larkHeader    `json:"header"`
	Elements []larkElement `json:"elements"`
}

// lark posts an interactive card to a custom bot of Lark or Feishu.
// https://open.larksuite.com/document/client-docs/bot-v3/add-custom-bot
func lark(c *Config) (notify.Sender, error) {
	if _, err := parseAddress(c); err != nil {
		return nil, err
	}
	p, err := simple(c, func(d notify.Delivery) (request, error) {
		e := d.Event
		text := "**Message**\n" + body(e)
		var meta []string
		for _, p := range pairs(e) {
			meta = append(meta, p.key+": "+p.value)
		}
		if len(meta) > 0 {
			text += "\n\n**Metadata**\n" + strings.Join(meta, "\n")
		}
		card := larkCard{
			Header:   larkHeader{Title: larkText{"plain_text", pick(e, "💫 ", "🚨 ") + heading(e)}, Template: pick(e, "turquoise", "red")},
			Elements: []larkElement{{Tag: "div", Text: larkText{"lark_md", text}}},
		}
		card.Config.WideScreenMode = true
		return asJSON(c.Address, struct {
			MsgType string   `json:"msg_type"`
			Card    larkCard `json:"card"`
		}{"interactive", card})
	})
	if err != nil {
		return nil, err
	}
	p.check = larkAnswer
	return &grouper{poster: p}, nil
}

// larkAnswer looks for the code, which is not 0 where Lark refused with 200.
func larkAnswer(body []byte) error {
	var answer struct {
		Code int    `json:"code"`
		Msg  string `json:"msg"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Code == 0 {
		return nil //nolint:nilerr // other servers that speak this format answer what they like
	}
	const tooMany = 11232
	return &notify.SendError{Status: 200, Permanent: answer.Code != tooMany, Err: fmt.Errorf("answer of Lark: %d %s", answer.Code, answer.Msg)}
}
