package provider

import (
	"context"
	"encoding/json"
	"net/url"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/jwt"

	"github.com/gitopskit/gitopskit/notify"
)

// googlePubSub publishes the event as JSON over Pub/Sub's REST interface: Address
// is the project's ID and Channel the topic's, both required. TokenSource gives
// an access token; else Token is an access token, or a service account's key in
// JSON. Headers become the message's attributes. For an emulator, Address is
// http://HOST/PROJECT.
// https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.topics/publish
func googlePubSub(c *Config) (notify.Sender, error) {
	if err := need("Address", c.Address, "Channel", c.Channel); err != nil {
		return nil, err
	}
	if c.Token == "" && c.TokenSource == nil {
		return nil, invalid("TokenSource or Token must be set")
	}
	base, project := "https://pubsub.googleapis.com", c.Address
	if u, err := url.Parse(c.Address); err == nil && u.Host != "" {
		base, project = u.Scheme+"://"+u.Host, u.Path[min(1, len(u.Path)):]
	}
	attributes := c.Headers
	c.Headers = nil
	call, err := newCaller(c)
	if err != nil {
		return nil, err
	}
	if err := serviceAccount(c, call); err != nil {
		return nil, err
	}
	to := base + "/v1/projects/" + url.PathEscape(project) + "/topics/" + url.PathEscape(c.Channel) + ":publish"
	type message struct {
		Data       []byte            `json:"data"`
		Attributes map[string]string `json:"attributes,omitempty"`
	}
	publish := func(ctx context.Context, ds []notify.Delivery) (request, error) {
		var body struct {
			Messages []message `json:"messages"`
		}
		for _, d := range ds {
			data, err := marshal(flat(d.Event))
			if err != nil {
				return request{}, err
			}
			body.Messages = append(body.Messages, message{data, attributes})
		}
		token, err := call.token(ctx)
		if err != nil {
			return request{}, &notify.SendError{Err: err}
		}
		r, err := asJSON(to, body)
		return r.with("Authorization", "Bearer "+token), err
	}
	return &contextGrouper{call, publish}, nil
}

// serviceAccount makes a source of tokens where Token is a key file.
func serviceAccount(c *Config, call *caller) error {
	var key struct {
		Type       string `json:"type"`
		Email      string `json:"client_email"`
		PrivateKey string `json:"private_key"`
		KeyID      string `json:"private_key_id"`
		TokenURI   string `json:"token_uri"`
	}
	if c.TokenSource != nil || !json.Valid([]byte(c.Token)) {
		return nil // an access token
	}
	if err := json.Unmarshal([]byte(c.Token), &key); err != nil {
		return invalid("Token is JSON, but no key of a service account")
	}
	if key.Type != "service_account" || key.Email == "" || key.PrivateKey == "" || key.TokenURI == "" {
		return invalid("Token is JSON, but no key of a service account")
	}
	c.Secrets = append(c.Secrets, key.PrivateKey)
	call.mask = masker(*c)
	cfg := &jwt.Config{
		Email: key.Email, PrivateKey: []byte(key.PrivateKey), PrivateKeyID: key.KeyID, TokenURL: key.TokenURI,
		Scopes: []string{"https://www.googleapis.com/auth/pubsub"},
	}
	source := oauth2.ReuseTokenSource(nil, cfg.TokenSource(context.WithValue(context.Background(), oauth2.HTTPClient, call.client)))
	c.TokenSource = func(context.Context) (string, error) {
		t, err := source.Token()
		if err != nil {
			return "", err
		}
		return t.AccessToken, nil
	}
	return nil
}

// contextGrouper is a sender whose requests need a context to be built.
type contextGrouper struct {
	*caller
	build func(ctx context.Context, ds []notify.Delivery) (request, error)
}

// Send implements notify.Sender.
func (g *contextGrouper) Send(ctx context.Context, d notify.Delivery) error {
	return g.SendGroup(ctx, []notify.Delivery{d})
}

// SendGroup implements notify.GroupSender.
func (g *contextGrouper) SendGroup(ctx context.Context, ds []notify.Delivery) error {
	r, err := g.build(ctx, ds)
	if err != nil {
		return g.mask.Error(unbuilt(err))
	}
	_, err = g.do(ctx, r)
	return err
}
