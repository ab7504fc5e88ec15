package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/gitopskit/gitopskit/internal/dockerconfig"
	"github.com/gitopskit/gitopskit/internal/httpclient"
	"github.com/gitopskit/gitopskit/source"
)

// ClientOptions configures NewClient. The zero value asks anonymously.
type ClientOptions struct {
	// Auth is used before Credentials.
	Auth Auth
	// Credentials is asked where Auth is empty; nil means anonymous.
	Credentials Credentials
	// Identity tells one who gives Credentials from another: what was fetched
	// for one is not shown to others that share a Cache.
	Identity string
	// Keychain uses what "docker login" left for the user of this process,
	// in $DOCKER_CONFIG or ~/.docker, where Auth is empty and Credentials gives
	// nothing. Docker's credential helpers, which it may name, are run.
	Keychain bool
	// CA is PEM of certificates that are trusted beside the system's.
	CA []byte
	// ClientCert and ClientKey are PEM of what the client shows.
	ClientCert, ClientKey []byte
	// ProxyURL is http, https or socks5, instead of the environment's.
	ProxyURL string
	// ProxyUsername and ProxyPassword are optional.
	ProxyUsername, ProxyPassword string
	// Insecure names the registries, as host or host:port, that are asked
	// over plain HTTP. All others are asked over HTTPS only.
	Insecure []string
	// Timeout bounds each call. Zero means 60 s, negative none.
	Timeout time.Duration
}

// Client speaks to registries. It is safe for concurrent use.
type Client struct {
	opts ClientOptions
	base *http.Transport
}

// NewClient checks the options. It makes no request.
func NewClient(opts ClientOptions) (*Client, error) {
	if opts.Timeout == 0 {
		opts.Timeout = 60 * time.Second
	}
	base, err := httpclient.New(httpclient.Options{
		CA: opts.CA, ClientCert: opts.ClientCert, ClientKey: opts.ClientKey,
		ProxyURL: opts.ProxyURL, ProxyUsername: opts.ProxyUsername, ProxyPassword: opts.ProxyPassword,
	})
	if err != nil {
		return nil, &source.Error{Op: "open OCI client", Err: fmt.Errorf("%w: %w", source.ErrInvalid, err)}
	}
	if len(opts.Auth.DockerConfig) > 0 {
		if _, err := dockerconfig.Parse(opts.Auth.DockerConfig); err != nil {
			return nil, &source.Error{Op: "open OCI client", Err: invalidf("%v", err)}
		}
	}
	return &Client{opts: opts, base: base}, nil
}

// Close ends idle connections.
func (c *Client) Close() error {
	c.base.CloseIdleConnections()
	return nil
}

func (c *Client) timeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.opts.Timeout < 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, c.opts.Timeout,
		fmt.Errorf("%w: no result within %s; raise ClientOptions.Timeout if the artifact is large", context.DeadlineExceeded, c.opts.Timeout))
}

// repository reads "oci://host/path" and "host/path", without tag or digest.
func (c *Client) repository(raw string) (name.Repository, error) {
	text := strings.TrimPrefix(raw, "oci://")
	if strings.Contains(text, "://") {
		return name.Repository{}, invalidf("the URL %q must begin with oci://", raw)
	}
	last := path.Base(text)
	if strings.ContainsAny(last, ":@") && strings.Contains(text, "/") {
		return name.Repository{}, invalidf("the URL %q has a tag or digest: set it in the reference", raw)
	}
	host, _, _ := strings.Cut(text, "/")
	repo, err := name.NewRepository(text, c.nameOptions(host)...)
	if err != nil {
		return name.Repository{}, invalidf("the URL %q is no repository: %v", raw, err)
	}
	return repo, nil
}

// reference reads "oci://host/path:tag" and "…@sha256:…".
func (c *Client) reference(raw string) (name.Reference, error) {
	text := strings.TrimPrefix(raw, "oci://")
	host, _, _ := strings.Cut(text, "/")
	ref, err := name.ParseReference(text, c.nameOptions(host)...)
	if err != nil {
		return nil, invalidf("%q is no reference: %v", raw, err)
	}
	return ref, nil
}

// nameOptions makes https the only scheme, also for names that look local,
// unless the registry is named insecure.
func (c *Client) nameOptions(host string) []name.Option {
	for _, h := range c.opts.Insecure {
		if strings.EqualFold(h, host) {
			return []name.Option{name.Insecure}
		}
	}
	return nil
}

// remote returns the options for one operation on a repository.
func (c *Client) remote(ctx context.Context, repo name.Repository) ([]remote.Option, error) {
	a, err := c.authenticator(ctx, repo.RegistryStr(), repo.RepositoryStr())
	if err != nil {
		return nil, err
	}
	insecure := len(c.nameOptions(repo.RegistryStr())) > 0
	return []remote.Option{
		remote.WithContext(ctx), remote.WithAuth(a), remote.WithTransport(&guard{c.base, insecure}),
		remote.WithUserAgent("gitopskit"), remote.WithRetryPredicate(retryable),
	}, nil
}

// retryable are errors of connections, and none of certificates or contexts.
func retryable(err error) bool {
	return err != nil && !httpclient.IsCertificateError(err) && !errors.Is(err, context.Canceled) &&
		!errors.Is(err, context.DeadlineExceeded) && (errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF))
}

// maxManifest is the most that a manifest, a token or a list of tags may have.
const maxManifest = 16 << 20

// guard bounds what is read into memory, and refuses plain HTTP to registries
// that were not named insecure.
type guard struct {
	base     http.RoundTripper
	insecure bool
}

func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme == "http" && !g.insecure {
		return nil, fmt.Errorf("%w: plain HTTP to %s: name the registry in ClientOptions.Insecure", source.ErrInvalid, req.URL.Host)
	}
	res, err := g.base.RoundTrip(req)
	if err == nil && (res.StatusCode >= 300 || !isBlob(req)) {
		res.Body = httpclient.Limit(res.Body, maxManifest)
	}
	return res, err
}

// isBlob tells whether a request, or the one that was redirected to it, is for
// a blob.
func isBlob(req *http.Request) bool {
	for req != nil {
		if strings.Contains(req.URL.Path, "/blobs/") {
			return true
		}
		if req.Response == nil {
			return false
		}
		req = req.Response.Request
	}
	return false
}

func invalidf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", source.ErrInvalid, fmt.Sprintf(format, args...))
}

// fail gives an error the sentinel that callers look for.
func (c *Client) fail(op, ref string, err error) error {
	if err == nil {
		return nil
	}
	return &source.Error{Op: op, Ref: ref, Err: c.classify(err)}
}

func (c *Client) classify(err error) error {
	if httpclient.IsCertificateError(err) {
		return fmt.Errorf("%w: set ClientOptions.CA if the registry has an authority of its own: %w", source.ErrTLS, err)
	}
	for _, known := range []error{
		source.ErrNotFound, source.ErrAuth, source.ErrInvalid, source.ErrTooLarge, source.ErrUnsafe, source.ErrCorrupt,
		source.ErrVerification, context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, known) {
			return err
		}
	}
	var te *transport.Error
	if errors.As(err, &te) {
		switch te.StatusCode {
		case http.StatusUnauthorized, http.StatusForbidden:
			return fmt.Errorf("%w: the registry refused %s (HTTP %d): %s", source.ErrAuth, c.opts.Auth, te.StatusCode, diagnostics(te))
		case http.StatusNotFound:
			return fmt.Errorf("%w: no such repository, tag or digest, or none that may be seen with %s: %s", source.ErrNotFound, c.opts.Auth, diagnostics(te))
		case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return fmt.Errorf("%w: HTTP %d: %s", source.ErrUnreachable, te.StatusCode, diagnostics(te))
		}
		return fmt.Errorf("HTTP %d: %s", te.StatusCode, diagnostics(te))
	}
	if errors.Is(err, httpclient.ErrTooLarge) {
		return fmt.Errorf("%w: %w", source.ErrTooLarge, err)
	}
	var op *net.OpError
	if errors.As(err, &op) || errors.Is(err, io.ErrUnexpectedEOF) || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		return fmt.Errorf("%w: %w", source.ErrUnreachable, err)
	}
	if strings.Contains(err.Error(), "verifying") || strings.Contains(err.Error(), "digest mismatch") || strings.Contains(err.Error(), "does not match") {
		return fmt.Errorf("%w: %w", source.ErrCorrupt, err)
	}
	return err
}

// diagnostics are the registry's words, without the request's URL, which may
// hold a signature.
func diagnostics(te *transport.Error) string {
	var out []string
	for _, d := range te.Errors {
		out = append(out, strings.TrimSpace(string(d.Code)+" "+d.Message))
	}
	if len(out) == 0 {
		return http.StatusText(te.StatusCode)
	}
	return strings.Join(out, "; ")
}
