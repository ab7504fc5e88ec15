package scan

import (
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/gitopskit/gitopskit/internal/dockerconfig"
	"github.com/gitopskit/gitopskit/internal/httpclient"
)

// ClientOptions configures NewClient. The zero value asks anonymously, over HTTPS.
type ClientOptions struct {
	// Auth is used before Credentials and Keychain.
	Auth Auth
	// Credentials is asked where Auth is empty; nil means Keychain.
	Credentials Credentials
	// Keychain uses what docker login left on this machine: its config.json and
	// the credential helpers that it names.
	Keychain bool
	// CA is PEM of certificates that are trusted beside the system's.
	CA []byte
	// ClientCert and ClientKey are PEM of what the client shows.
	ClientCert, ClientKey []byte
	// ProxyURL is http, https or socks5, instead of what the environment says.
	ProxyURL string
	// ProxyUsername and ProxyPassword are optional.
	ProxyUsername, ProxyPassword string
	// Insecure names the registries, as host or host:port, that are asked over
	// plain HTTP. All others are asked over HTTPS only.
	Insecure []string
	// Timeout bounds each call. Zero means 60 s, negative none.
	Timeout time.Duration
	// MaxWait is the longest that one call waits, in all, because a registry says
	// that it is busy (429, 502, 503, 504). Zero means 30 s, negative not at all.
	MaxWait time.Duration
	// Logger hears of waiting and of what a store lost; nil discards.
	Logger *slog.Logger
}

// Client speaks to registries. It is safe for concurrent use.
type Client struct {
	opts   ClientOptions
	docker dockerconfig.Config
	base   *http.Transport
	slow   *patience
	log    *slog.Logger

	mu       sync.Mutex
	sessions map[string]*session // by repository
}

// NewClient checks the options. It makes no request.
func NewClient(opts ClientOptions) (*Client, error) {
	if opts.Timeout == 0 {
		opts.Timeout = 60 * time.Second
	}
	if opts.MaxWait == 0 {
		opts.MaxWait = 30 * time.Second
	}
	c := &Client{opts: opts, log: opts.Logger, sessions: map[string]*session{}}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if c.base, err = httpclient.New(httpclient.Options{
		CA: opts.CA, ClientCert: opts.ClientCert, ClientKey: opts.ClientKey,
		ProxyURL: opts.ProxyURL, ProxyUsername: opts.ProxyUsername, ProxyPassword: opts.ProxyPassword,
	}); err != nil {
		return nil, invalid("CA, ClientCert or ProxyURL", "%w", err)
	}
	if len(opts.Auth.DockerConfig) > 0 {
		if c.docker, err = dockerconfig.Parse(opts.Auth.DockerConfig); err != nil {
			return nil, invalid("Auth.DockerConfig", "%w", err)
		}
	}
	c.slow = &patience{base: c.base, maxWait: opts.MaxWait, log: c.log, until: map[string]time.Time{}}
	return c, nil
}

// Close ends idle connections.
func (c *Client) Close() error {
	c.base.CloseIdleConnections()
	return nil
}
