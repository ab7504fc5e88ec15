package git

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"

	"github.com/gitopskit/gitopskit/source"
)

// newHTTP returns the transport for http:// and https://. Redirects are
// followed for the first request only, never to plain http, and never with
// credentials to another origin.
func newHTTP(e endpoint, auth Auth, p Proxy) (*goGit, error) {
	ep, err := transport.NewEndpoint(e.url)
	if err != nil {
		return nil, invalidf("the URL cannot be read: %v", err)
	}
	tlsConfig, err := auth.tlsConfig()
	if err != nil {
		return nil, err
	}
	proxy := http.ProxyFromEnvironment
	if p.URL != "" {
		u, err := p.parse()
		if err != nil {
			return nil, err
		}
		proxy = http.ProxyURL(u)
	}
	base := &http.Transport{
		Proxy:                 proxy,
		DialContext:           (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:       tlsConfig,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   2,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   15 * time.Second,
		ResponseHeaderTimeout: 5 * time.Minute,
	}
	client := githttp.NewClientWithOptions(&http.Client{Transport: &bodyLimiter{base}}, nil)
	method := auth.httpMethod()
	open := func(_ context.Context, service string) (transport.Session, error) {
		if service == transport.ReceivePackServiceName {
			return client.NewReceivePackSession(ep, method)
		}
		return client.NewUploadPackSession(ep, method)
	}
	return &goGit{open: open, closeIdle: base.CloseIdleConnections}, nil
}

func (a Auth) httpMethod() transport.AuthMethod {
	switch {
	case a.BearerToken != "":
		return &githttp.TokenAuth{Token: a.BearerToken}
	case a.Username != "" || a.Password != "":
		return &githttp.BasicAuth{Username: a.Username, Password: a.Password}
	}
	return nil
}

func (p Proxy) parse() (*url.URL, error) {
	u, err := url.Parse(p.URL)
	if err != nil || u.Host == "" {
		return nil, invalidf("Proxy.URL must be like http://host:port")
	}
	switch u.Scheme {
	case "http", "https", "socks5":
	default:
		return nil, invalidf("Proxy.URL has the scheme %q: use http, https or socks5", u.Scheme)
	}
	if p.Username != "" {
		u.User = url.UserPassword(p.Username, p.Password)
	}
	return u, nil
}

// Limits of what is read into memory before it is understood.
const (
	maxListing   = 256 << 20 // a listing of references: about two million
	maxErrorBody = 4 << 10
)

// bodyLimiter bounds listings and the texts of errors.
type bodyLimiter struct{ base http.RoundTripper }

func (b *bodyLimiter) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := b.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	switch {
	case res.StatusCode >= 300:
		res.Body = &cutBody{res.Body, io.LimitReader(res.Body, maxErrorBody)}
	case req.Method == http.MethodGet:
		res.Body = &cutBody{res.Body, &limitBody{res.Body, maxListing}}
	}
	return res, nil
}

type cutBody struct {
	io.Closer
	io.Reader
}

type limitBody struct {
	r    io.Reader
	left int64
}

func (l *limitBody) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, fmt.Errorf("%w: the listing of references has more than %d bytes", source.ErrTooLarge, maxListing)
	}
	return n, err
}

// httpError says in words of the user what an error of the transport means; nil
// if it is none of those that are known.
func httpError(err error, auth Auth) error {
	switch {
	case errors.Is(err, transport.ErrAuthenticationRequired):
		return refusedHTTP(auth, http.StatusUnauthorized)
	case errors.Is(err, transport.ErrAuthorizationFailed):
		return refusedHTTP(auth, http.StatusForbidden)
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return fmt.Errorf("%w: no repository at this URL, or none that may be seen with %s (HTTP 404)", source.ErrNotFound, auth)
	}
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var bad x509.CertificateInvalidError
	var verify *tls.CertificateVerificationError
	switch {
	case errors.As(err, &unknown):
		return fmt.Errorf("%w: the server's certificate is signed by an unknown authority: set Auth.CA to its certificate", source.ErrTLS)
	case errors.As(err, &host), errors.As(err, &bad), errors.As(err, &verify):
		return fmt.Errorf("%w: %w", source.ErrTLS, err)
	case strings.Contains(err.Error(), "remote error: tls:"):
		return fmt.Errorf("%w: the server refused the TLS connection (does it want Auth.ClientCert?): %w", source.ErrTLS, err)
	}
	return nil
}

func refusedHTTP(auth Auth, status int) error {
	switch {
	case status == http.StatusForbidden:
		return fmt.Errorf("%w: the server denies access with %s (HTTP 403): grant it access to the repository", source.ErrAuth, auth)
	case auth.String() == (Auth{}).String():
		return fmt.Errorf("%w: the server wants credentials (HTTP 401): set Options.Auth", source.ErrAuth)
	}
	return fmt.Errorf("%w: the server refused the %s (HTTP 401): check user name, password or token, and that they have not expired", source.ErrAuth, auth)
}
