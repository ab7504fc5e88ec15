package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/gitopskit/gitopskit/notify"
)

const (
	// commentPages bounds the pages in which a comment is looked for.
	commentPages = 50
	commentsPage = 100
	// metaChangeRequest is the metadata key of a pull request's number.
	metaChangeRequest = "change_request"
)

// commenter keeps one comment for each object and provider on a change request:
// it finds its own by a marker that is not shown, and changes it.
type commenter struct {
	*caller
	login   func(request) request
	list    func(number string, page int) string
	one     func(number, id string) string
	id      string // the field with a comment's ID
	update  string // the method that changes one
	unpaged bool   // the list is whole
}

// Send implements notify.Sender.
func (c *commenter) Send(ctx context.Context, d notify.Delivery) error { return c.comment(ctx, d) }

// Deduplicates implements notify.Deduplicator: the same comment is written again.
func (*commenter) Deduplicates() bool { return true }

func (c *commenter) comment(ctx context.Context, d notify.Delivery) error {
	number := d.Event.Meta(metaChangeRequest)
	if number == "" {
		return nil // not about a change request
	}
	if _, err := strconv.ParseUint(number, 10, 63); err != nil {
		return &notify.SendError{Permanent: true, Err: fmt.Errorf("metadata %s is not a number", metaChangeRequest)}
	}
	mark := marker(c.config, d.Event)
	id, old, err := c.find(ctx, number, mark)
	if err != nil {
		return notInDoubt(err)
	}
	text := commentText(d.Event, mark)
	if id != "" && strings.TrimSpace(old) == strings.TrimSpace(text) {
		return nil
	}
	to, method := strings.SplitN(c.list(number, 1), "?", 2)[0], http.MethodPost
	if id != "" {
		to, method = c.one(number, id), c.update
	}
	r, err := asJSON(to, map[string]string{"body": text})
	if err != nil {
		return &notify.SendError{Permanent: true, Err: err}
	}
	r.method = method
	_, err = c.do(ctx, c.login(r))
	return err
}

func (c *commenter) find(ctx context.Context, number, mark string) (id, text string, err error) {
	for page := 1; page <= commentPages; page++ {
		body, err := c.do(ctx, c.login(get(c.list(number, page))))
		if err != nil {
			return "", "", err
		}
		var list []map[string]json.RawMessage
		if err := json.Unmarshal(body, &list); err != nil {
			return "", "", c.mask.Error(&notify.SendError{Err: fmt.Errorf("list of comments: %w", err)})
		}
		for _, m := range list {
			var text string
			if json.Unmarshal(m["body"], &text) == nil && strings.Contains(text, mark) {
				return string(m[c.id]), text, nil
			}
		}
		if c.unpaged || len(list) < commentsPage {
			break
		}
	}
	return "", "", nil
}

func paged(url, size string, page int) string {
	return fmt.Sprintf("%s?%s=%d&page=%d", url, size, commentsPage, page)
}

// marker tells our comment for this object by this provider; it is not shown.
func marker(c *Config, e notify.Event) string {
	return "<!-- gitopskit:" + hash(c.UID + "\x00" + objectKey(e) + "\x00" + e.InvolvedObject.String())[:32] + " -->"
}

func commentText(e notify.Event, mark string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n## %s status: %s\n\n", mark, heading(e), words(e.Reason))
	fmt.Fprintf(&b, "%s %s\n", pick(e, "✅", "❌"), strings.ReplaceAll(body(e), "<!--", "&lt;!--"))
	if list := pairs(e); len(list) > 0 {
		b.WriteString("\n<details>\n<summary>Metadata</summary>\n\n")
		for _, p := range list {
			fmt.Fprintf(&b, "* `%s`: %s\n", p.key, strings.ReplaceAll(p.value, "<!--", "&lt;!--"))
		}
		b.WriteString("\n</details>\n")
	}
	return clip(b.String(), 60_000)
}
