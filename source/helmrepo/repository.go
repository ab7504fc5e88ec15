package helmrepo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gitopskit/gitopskit/internal/httpclient"
	"github.com/gitopskit/gitopskit/internal/treecache"
	"github.com/gitopskit/gitopskit/source"
)

// Options describes a repository.
type Options struct {
	// URL is http(s)://host/path, without index.yaml. Required.
	URL string
	// Dir is the folder that keeps the index and charts; it may be shared by
	// repositories and processes. Required.
	Dir string
	// Auth is what the server asks for.
	Auth Auth
	// PassCredentials sends Auth to the hosts of chart URLs too.
	PassCredentials bool
	// CA is PEM of certificates that are trusted beside the system's.
	CA []byte
	// ClientCert and ClientKey are PEM of what the client shows.
	ClientCert, ClientKey []byte
	// ProxyURL is http, https or socks5, instead of the environment's.
	ProxyURL string
	// ProxyUsername and ProxyPassword are optional.
	ProxyUsername, ProxyPassword string
	// MaxIndexBytes is the most that an index may have. Zero means 50 MiB.
	MaxIndexBytes int64
	// MaxChartBytes is the most that a chart's file may have. Zero means
	// 10 MiB.
	MaxChartBytes int64
	// Timeout bounds each call. Zero means 60 s, negative none.
	Timeout time.Duration
}

// Auth holds credentials. Its String, GoString and LogValue do not show the
// password.
type Auth struct {
	// Username and Password are for HTTP basic authentication.
	Username, Password string
}

// String implements fmt.Stringer without the password.
func (a Auth) String() string {
	if a == (Auth{}) {
		return "no credentials"
	}
	return fmt.Sprintf("user %q", a.Username)
}

// GoString implements fmt.GoStringer without the password.
func (a Auth) GoString() string { return "helmrepo.Auth{" + a.String() + "}" }

// LogValue implements slog.LogValuer without the password.
func (a Auth) LogValue() slog.Value { return slog.StringValue(a.String()) }

const (
	defaultMaxIndex = 50 << 20
	defaultMaxChart = 10 << 20
	defaultTimeout  = 60 * time.Second
	maxUnpacked     = 100 << 20
	maxChartFiles   = 10_000
)

// Repository is a Helm repository. It is safe for concurrent use.
type Repository struct {
	opts   Options
	base   *url.URL
	http   *http.Client
	idle   func()
	charts *treecache.Cache
	index  string // file of the index

	mu sync.Mutex // serialises requests for the index
}

// New checks the options and returns the repository. It makes no request.
func New(opts Options) (*Repository, error) {
	r, err := newRepository(opts)
	if err != nil {
		return nil, &source.Error{Op: "open Helm repository", Ref: withoutUser(opts.URL), Err: err}
	}
	return r, nil
}

func newRepository(opts Options) (*Repository, error) {
	u, err := url.Parse(opts.URL)
	switch {
	case opts.URL == "":
		return nil, invalidf("set Options.URL")
	case err != nil:
		return nil, invalidf("the URL cannot be read")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, invalidf("the URL must begin with http:// or https://; charts in OCI registries are for NewOCIChart")
	case u.User != nil:
		return nil, invalidf("the URL holds credentials: set them in Options.Auth")
	case opts.Dir == "":
		return nil, invalidf("set Options.Dir to a folder that keeps the index and charts")
	}
	u.Path = strings.TrimSuffix(strings.TrimSuffix(u.Path, "index.yaml"), "/") + "/"
	opts.MaxIndexBytes = orDefault(opts.MaxIndexBytes, defaultMaxIndex)
	opts.MaxChartBytes = orDefault(opts.MaxChartBytes, defaultMaxChart)
	if opts.Timeout == 0 {
		opts.Timeout = defaultTimeout
	}
	transport, err := httpclient.New(httpclient.Options{
		CA: opts.CA, ClientCert: opts.ClientCert, ClientKey: opts.ClientKey,
		ProxyURL: opts.ProxyURL, ProxyUsername: opts.ProxyUsername, ProxyPassword: opts.ProxyPassword,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", source.ErrInvalid, err)
	}
	charts, err := treecache.Open(filepath.Join(opts.Dir, "charts"))
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(opts.Dir, "indexes"), 0o700); err != nil {
		return nil, err
	}
	r := &Repository{opts: opts, base: u, charts: charts, idle: transport.CloseIdleConnections}
	r.http = &http.Client{Transport: transport, CheckRedirect: r.checkRedirect}
	r.index = filepath.Join(opts.Dir, "indexes", r.fingerprint())
	return r, nil
}

func orDefault(v, d int64) int64 {
	if v == 0 {
		return d
	}
	return v
}

func withoutUser(raw string) string {
	if u, err := url.Parse(raw); err == nil {
		u.User, u.RawQuery = nil, ""
		return u.String()
	}
	return "(unreadable URL)"
}

// fingerprint keeps what one credential may see from another.
func (r *Repository) fingerprint() string {
	h := sha256.New()
	for _, part := range []string{r.base.String(), r.opts.Auth.Username, r.opts.Auth.Password, string(r.opts.ClientCert), string(r.opts.ClientKey)} {
		_, _ = fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Close ends idle connections.
func (r *Repository) Close() error {
	r.idle()
	return nil
}

// checkRedirect keeps credentials from other hosts and refuses to leave HTTPS.
func (r *Repository) checkRedirect(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	if first.Scheme == "https" && req.URL.Scheme != "https" {
		return fmt.Errorf("%w: redirect from https to %s", source.ErrUnsafe, req.URL.Scheme)
	}
	if len(via) >= 10 {
		return fmt.Errorf("%w: more than 10 redirects", source.ErrUnreachable)
	}
	if !sameOrigin(first, req.URL) && !r.opts.PassCredentials {
		req.Header.Del("Authorization")
	}
	return nil
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Host, b.Host)
}

// get asks for a URL, with credentials if they are for it.
func (r *Repository) get(ctx context.Context, u *url.URL, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, invalidf("the URL cannot be read")
	}
	for k, v := range header {
		req.Header[k] = v
	}
	req.Header.Set("User-Agent", "Helm/3 (gitopskit)")
	if r.opts.Auth != (Auth{}) && (sameOrigin(r.base, u) || r.opts.PassCredentials) {
		req.SetBasicAuth(r.opts.Auth.Username, r.opts.Auth.Password)
	}
	res, err := r.http.Do(req)
	if err != nil {
		return nil, r.classify(ctx, err)
	}
	if res.StatusCode == http.StatusOK || res.StatusCode == http.StatusNotModified {
		return res, nil
	}
	_ = res.Body.Close()
	return nil, r.refused(u, res.StatusCode)
}

func (r *Repository) refused(u *url.URL, status int) error {
	what := withoutUser(u.String())
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		who := r.opts.Auth.String()
		if !sameOrigin(r.base, u) && !r.opts.PassCredentials {
			who = "no credentials (they are for " + r.base.Host + " only; set Options.PassCredentials to send them)"
		}
		return fmt.Errorf("%w: %s: HTTP %d with %s", source.ErrAuth, what, status, who)
	case http.StatusNotFound, http.StatusGone:
		return fmt.Errorf("%w: %s: HTTP %d", source.ErrNotFound, what, status)
	}
	return fmt.Errorf("%w: %s: HTTP %d %s", source.ErrUnreachable, what, status, http.StatusText(status))
}

func (r *Repository) classify(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var ue *url.Error // its URL may hold a signature
	if errors.As(err, &ue) {
		err = fmt.Errorf("%s: %w", withoutUser(ue.URL), ue.Err)
	}
	if httpclient.IsCertificateError(err) {
		return fmt.Errorf("%w: set Options.CA if the server has an authority of its own: %w", source.ErrTLS, err)
	}
	var op *net.OpError
	if errors.As(err, &op) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: %w", source.ErrUnreachable, err)
	}
	return err
}

func (r *Repository) timeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.opts.Timeout < 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, r.opts.Timeout, fmt.Errorf("%w: no result within %s; raise Options.Timeout", context.DeadlineExceeded, r.opts.Timeout))
}
