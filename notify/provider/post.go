package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gitopskit/gitopskit/notify"
)

// maxAnswer is how much of an answer is read.
const maxAnswer = 1 << 20

// request is what one HTTP request says.
type request struct {
	method, url string
	header      map[string]string
	body        []byte
}

// asJSON returns a POST request with v as its body.
func asJSON(url string, v any) (request, error) {
	body, err := marshal(v)
	return request{method: http.MethodPost, url: url, header: map[string]string{"Content-Type": "application/json"}, body: body}, err
}

// marshal writes JSON without escaping for HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// flatEvent is written as an Event is, but in one pass: what a MarshalJSON returns
// is read and copied once more.
type flatEvent notify.Event

func flat(e notify.Event) flatEvent {
	e.Timestamp = e.Timestamp.UTC().Truncate(time.Second)
	return flatEvent(e)
}

func (r request) with(header, value string) request {
	r.header[header] = value
	return r
}

// caller sends requests and judges the answers.
type caller struct {
	config *Config
	client *http.Client
	mask   *notify.Masker
}

func newCaller(c *Config) (*caller, error) {
	client, err := c.HTTP.client(c)
	if err != nil {
		return nil, err
	}
	return &caller{config: c, client: client, mask: masker(*c)}, nil
}

// token returns the token to log in with.
func (c *caller) token(ctx context.Context) (string, error) {
	if c.config.TokenSource == nil {
		return c.config.Token, nil
	}
	return c.config.TokenSource(ctx)
}

// do sends a request and returns the body of an answer with a status of 2xx. Any
// other answer is a *notify.SendError.
func (c *caller) do(ctx context.Context, r request) ([]byte, error) {
	var wrote atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { wrote.Store(true) }})
	req, err := http.NewRequestWithContext(traced, r.method, r.url, bytes.NewReader(r.body))
	if err != nil {
		return nil, c.mask.Error(&notify.SendError{Permanent: true, Err: err})
	}
	req.Header.Set("User-Agent", "gitopskit")
	for k, v := range r.header {
		req.Header.Set(k, v)
	}
	for k, v := range c.config.Headers {
		req.Header.Set(k, v)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, c.mask.Error(&notify.SendError{InDoubt: wrote.Load(), Err: err})
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode/100 == 2 {
		// The answer came, so that the message has been taken, whatever
		// became of the rest of its body.
		return body, nil
	}
	_ = err
	return nil, c.mask.Error(refusal(resp, body))
}

func refusal(resp *http.Response, body []byte) *notify.SendError {
	s := &notify.SendError{Status: resp.StatusCode}
	switch code := resp.StatusCode; {
	case code/100 == 3:
		s.Permanent, s.Err = true, errRedirected
		return s
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		s.RetryAfter = retryAfter(resp.Header, time.Now())
	case code == http.StatusBadGateway, code == http.StatusGatewayTimeout:
		s.InDoubt = true // the server behind the gateway may have taken it
	case code/100 == 4 && code != http.StatusRequestTimeout && code != http.StatusTooEarly:
		s.Permanent = true
	}
	text := strings.Join(strings.Fields(strings.ToValidUTF8(string(body[:min(len(body), 512)]), "?")), " ")
	s.Err = fmt.Errorf("%s: %s", resp.Status, text)
	return s
}

// poster is the sender of all types for which one event is one request.
type poster struct {
	*caller
	build func(ctx context.Context, d notify.Delivery) (request, error)
	// check looks into the body of a 2xx; nil takes it as success.
	check func(body []byte) error
	// dedup says that the destination knows a message by its ID.
	dedup bool
}

// Send implements notify.Sender.
func (p *poster) Send(ctx context.Context, d notify.Delivery) error {
	r, err := p.build(ctx, d)
	if err != nil {
		return p.mask.Error(unbuilt(err))
	}
	return p.post(ctx, r)
}

func (p *poster) post(ctx context.Context, r request) error {
	body, err := p.do(ctx, r)
	if err != nil || p.check == nil {
		return err
	}
	return p.mask.Error(p.check(body))
}

// unbuilt makes a failure to build a request permanent, unless it says otherwise.
func unbuilt(err error) error {
	var s *notify.SendError
	if errors.As(err, &s) {
		return err
	}
	return &notify.SendError{Permanent: true, Err: err}
}

// Deduplicates implements notify.Deduplicator.
func (p *poster) Deduplicates() bool { return p.dedup }

// grouper is a poster that can put several events into one message.
type grouper struct {
	*poster
	group func(ds []notify.Delivery) (request, error)
}

// SendGroup implements notify.GroupSender.
func (g *grouper) SendGroup(ctx context.Context, ds []notify.Delivery) error {
	if g.group == nil {
		return g.Send(ctx, digest(ds))
	}
	r, err := g.group(ds)
	if err != nil {
		return g.mask.Error(unbuilt(err))
	}
	return g.post(ctx, r)
}

// digest makes one delivery of several.
func digest(ds []notify.Delivery) notify.Delivery {
	events := make([]notify.Event, len(ds))
	for i, d := range ds {
		events[i] = d.Event
	}
	out := ds[0]
	out.Event = notify.Digest(events)
	return out
}

// simple makes the sender of a type that posts what build says to Address.
func simple(c *Config, build func(d notify.Delivery) (request, error)) (*poster, error) {
	call, err := newCaller(c)
	if err != nil {
		return nil, err
	}
	return &poster{caller: call, build: func(_ context.Context, d notify.Delivery) (request, error) { return build(d) }}, nil
}
