package git

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"

	"github.com/gitopskit/gitopskit/internal/httpclient"
	"github.com/gitopskit/gitopskit/source"
)

// newHTTP returns the transport for http:// and https://. Redirects are
// followed for the first request only, never to plain http, and never with
// credentials to another origin.
func newHTTP(e endpoint, auth Auth, p Proxy, login loginFunc) (*goGit, error) {
	ep, err := transport.NewEndpoint(e.url)
	if err != nil {
		return nil, invalidf("the URL cannot be read: %v", err)
	}
	base, err := auth.transport(p)
	if err != nil {
		return nil, err
	}
	base.MaxIdleConnsPerHost = 2
	base.ResponseHeaderTimeout = 5 * time.Minute // servers count objects before they answer
	client := githttp.NewClientWithOptions(&http.Client{Transport: &bodyLimiter{base}}, nil)
	open := func(ctx context.Context, service string) (transport.Session, error) {
		now, err := login(ctx)
		if err != nil {
			return nil, err
		}
		if service == transport.ReceivePackServiceName {
			return client.NewReceivePackSession(ep, now.httpMethod())
		}
		return client.NewUploadPackSession(ep, now.httpMethod())
	}
	return &goGit{open: open, closeIdle: base.CloseIdleConnections}, nil
}

// transport returns what makes HTTP connections with the trust of the
// credentials.
func (a Auth) transport(p Proxy) (*http.Transport, error) {
	t, err := httpclient.New(httpclient.Options{
		CA: a.CA, ClientCert: a.ClientCert, ClientKey: a.ClientKey,
		ProxyURL: p.URL, ProxyUsername: p.Username, ProxyPassword: p.Password,
	})
	switch {
	case errors.Is(err, httpclient.ErrCA):
		return nil, invalidf("Auth.CA holds no certificate in PEM")
	case errors.Is(err, httpclient.ErrClientCert):
		return nil, invalidf("Auth.ClientCert and Auth.ClientKey: %v", err)
	case err != nil:
		return nil, invalidf("Proxy.URL: %v", err)
	}
	return t, nil
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
	u, err := httpclient.ParseProxy(p.URL, p.Username, p.Password)
	if err != nil {
		return nil, invalidf("Proxy.URL: %v", err)
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
		res.Body = httpclient.Limit(res.Body, maxListing)
	}
	return res, nil
}

type cutBody struct {
	io.Closer
	io.Reader
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
	switch {
	case errors.Is(err, httpclient.ErrTooLarge):
		return fmt.Errorf("%w: the server's answer: %w", source.ErrTooLarge, err)
	case errors.As(err, &unknown):
		return fmt.Errorf("%w: the server's certificate is signed by an unknown authority: set Auth.CA to its certificate", source.ErrTLS)
	case strings.Contains(err.Error(), "remote error: tls:"):
		return fmt.Errorf("%w: the server refused the TLS connection (does it want Auth.ClientCert?): %w", source.ErrTLS, err)
	case httpclient.IsCertificateError(err):
		return fmt.Errorf("%w: %w", source.ErrTLS, err)
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
