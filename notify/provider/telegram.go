package provider

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/gitopskit/gitopskit/notify"
)

// telegramLimit is how many characters a message may have.
const telegramLimit = 4096

// telegram sends with a bot: Token is the bot's, Channel is CHAT or CHAT:THREAD,
// where CHAT is a number or @name; both are required. Address is that of the API,
// https://api.telegram.org where empty.
// https://core.telegram.org/bots/api#sendmessage
func telegram(c *Config) (notify.Sender, error) {
	if c.Address == "" {
		c.Address = "https://api.telegram.org"
	}
	u, err := parseAddress(c)
	if err != nil {
		return nil, err
	}
	if err := need("Channel", c.Channel, "Token", c.Token); err != nil {
		return nil, err
	}
	chat, thread, hasThread := strings.Cut(c.Channel, ":")
	var threadID int64
	if hasThread {
		if threadID, err = strconv.ParseInt(thread, 10, 64); err != nil {
			return nil, invalid("Channel must be CHAT or CHAT:THREAD, and THREAD a number")
		}
	}
	url := u.JoinPath("bot"+c.Token, "sendMessage").String()
	p, err := simple(c, func(d notify.Delivery) (request, error) {
		return asJSON(url, struct {
			ChatID    string `json:"chat_id"`
			ThreadID  int64  `json:"message_thread_id,omitempty"`
			Text      string `json:"text"`
			ParseMode string `json:"parse_mode"`
		}{chat, threadID, telegramText(d.Event), "MarkdownV2"})
	})
	if err != nil {
		return nil, err
	}
	p.check = telegramAnswer
	return &grouper{poster: p}, nil
}

func telegramText(e notify.Event) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s *%s*\n", pick(e, "💫", "🚨"), escapeMarkdownV2(heading(e)))
	var meta strings.Builder
	for _, p := range pairs(e) {
		fmt.Fprintf(&meta, "\n\\- *%s*: %s", escapeMarkdownV2(clip(p.key, 100)), escapeMarkdownV2(clip(p.value, 200)))
	}
	tail := meta.String()
	if len(tail) > telegramLimit/2 {
		tail = ""
	}
	// An escape doubles a character at worst, and none may be cut in two.
	text := body(e)
	for room := telegramLimit - len([]rune(b.String())) - len([]rune(tail)); len([]rune(escapeMarkdownV2(text))) > room; {
		text = clip(text, min(room, len([]rune(text))*9/10))
	}
	return b.String() + escapeMarkdownV2(text) + tail
}

// escapeMarkdownV2 escapes what https://core.telegram.org/bots/api#markdownv2-style
// lists.
func escapeMarkdownV2(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune("_*[]()~`>#+-=|{}.!\\", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func telegramAnswer(body []byte) error {
	var answer struct {
		OK          bool   `json:"ok"`
		Description string `json:"description"`
	}
	if err := json.Unmarshal(body, &answer); err == nil && !answer.OK {
		return &notify.SendError{Status: 200, Permanent: true, Err: fmt.Errorf("answer of Telegram: %q", answer.Description)}
	}
	return nil
}
