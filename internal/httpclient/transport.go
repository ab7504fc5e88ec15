// Package httpclient makes HTTP transports that trust certificates beside the
// system's, show a client certificate and use a proxy.
package httpclient

import (
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
)

// Options configures New.
type Options struct {
	// CA is PEM of certificates to trust beside the system's.
	CA []byte
	// ClientCert and ClientKey are PEM.
	ClientCert, ClientKey []byte
	// ProxyURL beats the environment; http, https or socks5.
	ProxyURL string
	// ProxyUsername and ProxyPassword are optional.
	ProxyUsername, ProxyPassword string
}

// What New can find wrong with its options.
var (
	ErrCA         = errors.New("the CA holds no certificate in PEM")
	ErrClientCert = errors.New("client certificate and key")
	ErrProxy      = errors.New("the proxy's URL must be like http://host:port, with http, https or socks5")
)

// New returns a transport with bounded waits. The caller closes its idle
// connections. The error is one of ErrCA, ErrClientCert and ErrProxy.
func New(o Options) (*http.Transport, error) {
	cfg, err := o.tls()
	if err != nil {
		return nil, err
	}
	proxy := http.ProxyFromEnvironment
	if o.ProxyURL != "" {
		u, err := ParseProxy(o.ProxyURL, o.ProxyUsername, o.ProxyPassword)
		if err != nil {
			return nil, err
		}
		proxy = http.ProxyURL(u)
	}
	return &http.Transport{
		Proxy:                 proxy,
		DialContext:           (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:       cfg,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   15 * time.Second,
		ResponseHeaderTimeout: 2 * time.Minute,
	}, nil
}

func (o Options) tls() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(o.CA) > 0 {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(o.CA) {
			return nil, ErrCA
		}
		cfg.RootCAs = pool
	}
	if len(o.ClientCert) > 0 || len(o.ClientKey) > 0 {
		pair, err := tls.X509KeyPair(o.ClientCert, o.ClientKey)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrClientCert, err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

// ParseProxy returns the URL of a proxy with the user's name and password in
// it. The error, ErrProxy, repeats none of them.
func ParseProxy(raw, username, password string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" {
		return nil, ErrProxy
	}
	if username != "" {
		u.User = url.UserPassword(username, password)
	}
	return u, nil
}

// IsCertificateError tells whether a certificate was not trusted, by us or by
// the server.
func IsCertificateError(err error) bool {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var bad x509.CertificateInvalidError
	var verify *tls.CertificateVerificationError
	var alert tls.AlertError
	// What the server says of ours comes as an operation of the connection.
	var remote *net.OpError
	if errors.As(err, &remote) && remote.Op == "remote error" && strings.Contains(remote.Err.Error(), "certificate") {
		return true
	}
	return errors.As(err, &unknown) || errors.As(err, &host) || errors.As(err, &bad) || errors.As(err, &verify) || errors.As(err, &alert)
}

// ErrTooLarge is a body that exceeds its limit.
var ErrTooLarge = errors.New("response too large")

// Limit returns body, which fails with ErrTooLarge beyond n bytes.
func Limit(body io.ReadCloser, n int64) io.ReadCloser {
	return struct {
		io.Reader
		io.Closer
	}{LimitReader(body, n), body}
}

// LimitReader returns a reader that fails with ErrTooLarge beyond n bytes.
func LimitReader(r io.Reader, n int64) io.Reader { return &limited{r, n, n} }

type limited struct {
	r         io.Reader
	left, max int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, l.max)
	}
	return n, err
}
