package provider

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gitopskit/gitopskit/notify"
)

// maxAddress is the longest address, in bytes.
const maxAddress = 2048

// Config says where and how a provider sends. Which fields a type needs is said
// at the function of its file; what is missing is named in the error of [New].
type Config struct {
	// Type is one of [Types].
	Type string
	// Address is the URL that is posted to, or the repository's URL for
	// providers of commit statuses and comments.
	Address string
	// Channel is the channel, room, topic, subject or routing key.
	Channel string
	// Username is shown as the sender, or logs in.
	Username string
	// Token and Password log in or sign.
	Token, Password string
	// TokenSource gives a token that expires; it beats Token.
	TokenSource func(ctx context.Context) (string, error)
	// Headers are added to each request, over the provider's own.
	Headers map[string]string
	// TLS says whom to trust, and which certificate to show.
	TLS TLS
	// Proxy says which proxy to use.
	Proxy Proxy
	// HTTP holds the connections; required. One for all providers.
	HTTP *Pool
	// UID tells this provider from others in the context of commit statuses;
	// its part before the first "-" is used, as Flux does.
	UID string
	// CommitStatus gives the context of a commit status; nil takes
	// kind/name/uid.
	CommitStatus func(notify.Event) (string, error)
	// Template makes the message; nil takes the event's.
	Template *notify.Template
	// NATS holds what only the type nats knows.
	NATS NATS
	// Secrets are further values to mask in errors.
	Secrets []string
}

// TLS holds certificates and keys as PEM.
type TLS struct {
	// CA is trusted beside the system's authorities.
	CA []byte
	// Cert and Key are shown to the server (mTLS).
	Cert, Key []byte
}

// Proxy is an HTTP, HTTPS or SOCKS5 proxy; the zero value takes that of the
// environment.
type Proxy struct {
	URL, Username, Password string
}

// NATS holds what only the type nats knows. Creds beats NKey, which beats
// Username and Password.
type NATS struct {
	// Creds is the content of a credentials file.
	Creds []byte
	// NKey is a user's seed.
	NKey []byte
}

// maker makes the sender of one type. It may take over c's fields.
type maker func(c *Config) (notify.Sender, error)

func makers() map[string]maker {
	return map[string]maker{
		"generic": generic, "generic-hmac": genericHMAC, "slack": slack, "discord": discord, "rocket": rocket,
		"msteams": msteams, "googlechat": googleChat, "webex": webex, "telegram": telegram, "matrix": matrix,
		"lark": lark, "zulip": zulip, "zoom": zoom, "pagerduty": pagerDuty, "opsgenie": opsgenie,
		"incident.io": incidentIO, "sentry": sentry, "datadog": datadog, "grafana": grafana,
		"alertmanager": alertmanager, "otel": otel, "nats": natsProvider, "googlepubsub": googlePubSub,
		"azureeventhub": azureEventHub, "github": github, "gitlab": gitlab, "gitea": gitea,
		"bitbucket": bitbucket, "bitbucketserver": bitbucketServer, "azuredevops": azureDevOps,
		"githubdispatch": githubDispatch, "githubpullrequestcomment": githubComment,
		"gitlabmergerequestcomment": gitlabComment, "giteapullrequestcomment": giteaComment,
	}
}

// Types returns the names of all types, sorted.
func Types() []string { return slices.Sorted(maps.Keys(makers())) }

// New returns a sender. Where the type can put several events into one message,
// it is a [notify.GroupSender]; where the destination knows messages that it has
// seen, it is a [notify.Deduplicator]. Errors wrap [notify.ErrInvalid] and name
// the field. Nothing is sent yet.
func New(c Config) (notify.Sender, error) {
	s, err := newSender(c)
	if err != nil {
		return nil, &notify.Error{Op: "provider", Ref: c.Type, Err: masker(c).Error(err)}
	}
	return s, nil
}

func newSender(c Config) (notify.Sender, error) {
	make, ok := makers()[c.Type]
	if !ok {
		return nil, invalid("there is no type %q; there are %s", c.Type, strings.Join(Types(), ", "))
	}
	if c.HTTP == nil {
		return nil, invalid("HTTP is missing: set it to NewPool()")
	}
	if len(c.Address) > maxAddress {
		return nil, invalid("Address is longer than %d bytes", maxAddress)
	}
	c.Headers = maps.Clone(c.Headers)
	for k, v := range c.Headers {
		if strings.ContainsAny(k+v, "\r\n") || k == "" {
			return nil, invalid("a name or value in Headers is empty or has a line break")
		}
	}
	s, err := make(&c)
	if err != nil || c.Template == nil {
		return s, err
	}
	return withTemplate(s, c.Template), nil
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{notify.ErrInvalid}, args...)...)
}

// need returns an error that names the fields without a value.
func need(pairs ...string) error {
	var missing []string
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" { //nolint:gosec // they come in pairs
			missing = append(missing, pairs[i])
		}
	}
	if len(missing) > 0 {
		return invalid("%s must be set", strings.Join(missing, " and "))
	}
	return nil
}

// parseAddress checks that Address is an http or https URL.
func parseAddress(c *Config) (*url.URL, error) {
	if err := need("Address", c.Address); err != nil {
		return nil, err
	}
	u, err := url.Parse(c.Address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, invalid("Address must be a URL like https://host/path")
	}
	return u, nil
}

// masker masks what the configuration holds.
func masker(c Config) *notify.Masker {
	secrets := append(slices.Clone(c.Secrets), c.Token, c.Password, c.Proxy.Password, string(c.NATS.NKey), string(c.NATS.Creds), string(c.TLS.Key))
	for name, v := range c.Headers {
		if len(v) >= 8 && !strings.EqualFold(name, "Content-Type") {
			secrets = append(secrets, v)
		}
	}
	// Of an address, everything behind the host may be a secret.
	if u, err := url.Parse(c.Address); err == nil && (len(strings.Trim(u.Path, "/")) >= 8 || u.RawQuery != "" || u.User != nil) {
		if _, isForge := forges()[c.Type]; !isForge {
			secrets = append(secrets, c.Address)
		}
	}
	return notify.NewMasker(secrets...)
}

// templated renders the message before the event is sent.
type templated struct {
	notify.Sender
	t *notify.Template
}

type templatedGroup struct{ templated }

func withTemplate(s notify.Sender, t *notify.Template) notify.Sender {
	w := templated{s, t}
	if _, ok := s.(notify.GroupSender); ok {
		return &templatedGroup{w}
	}
	return &w
}

func (w *templated) render(d notify.Delivery) (notify.Delivery, error) {
	text, err := w.t.Render(d.Event)
	if err != nil {
		return d, &notify.SendError{Permanent: true, Err: err}
	}
	d.Event.Message = text
	return d, nil
}

func (w *templated) Send(ctx context.Context, d notify.Delivery) error {
	d, err := w.render(d)
	if err != nil {
		return err
	}
	return w.Sender.Send(ctx, d)
}

func (w *templated) Deduplicates() bool {
	s, ok := w.Sender.(notify.Deduplicator)
	return ok && s.Deduplicates()
}

func (w *templatedGroup) SendGroup(ctx context.Context, ds []notify.Delivery) error {
	out := make([]notify.Delivery, len(ds))
	for i, d := range ds {
		r, err := w.render(d)
		if err != nil {
			return err
		}
		out[i] = r
	}
	return w.Sender.(notify.GroupSender).SendGroup(ctx, out)
}

// retryAfter reads the header of that name: seconds or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if v == "" {
		return 0
	}
	if d, err := time.ParseDuration(v + "s"); err == nil {
		return max(d, 0)
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(t.Sub(now), 0)
	}
	return 0
}

var errRedirected = errors.New("the server redirects: set Address to where it points")
