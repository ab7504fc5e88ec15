// Package rest asks the HTTP APIs of object stores: with retries, bounded
// answers, and errors that wrap the sentinels of package source.
package rest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gitopskit/gitopskit/internal/httpclient"
	"github.com/gitopskit/gitopskit/source"
)

// Client asks one API. It is safe for concurrent use.
type Client struct {
	http *http.Client
	idle func()
	// authorize adds what proves who asks; it is called for each try.
	authorize func(*http.Request) error
	// explain reads the code and message in the body of a refusal.
	explain func(body []byte, header http.Header) string
}

// New returns a client. It follows no redirects, which could carry what
// authorizes elsewhere.
func New(o httpclient.Options, authorize func(*http.Request) error, explain func([]byte, http.Header) string) (*Client, error) {
	transport, err := httpclient.New(o)
	if err != nil {
		return nil, err
	}
	transport.MaxIdleConnsPerHost = 128
	hc := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &Client{http: hc, idle: transport.CloseIdleConnections, authorize: authorize, explain: explain}, nil
}

// HTTP is the client without authorization, for asking for tokens.
func (c *Client) HTTP() *http.Client { return c.http }

// Close ends idle connections.
func (c *Client) Close() { c.idle() }

const (
	tries         = 4
	firstWait     = 200 * time.Millisecond
	maxErrorBody  = 64 << 10
	maxListingPer = 64 << 20
)

// Get asks for a URL. The caller closes the body.
func (c *Client) Get(ctx context.Context, u *url.URL, header http.Header) (*http.Response, error) {
	wait := firstWait
	for try := 1; ; try++ {
		res, again, err := c.once(ctx, u, header)
		if err == nil || !again || try == tries {
			return res, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, context.Cause(ctx)
		case <-timer.C:
		}
		wait *= 2
	}
}

func (c *Client) once(ctx context.Context, u *url.URL, header http.Header) (res *http.Response, again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, false, fmt.Errorf("%w: the URL cannot be read", source.ErrInvalid)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	req.Header.Set("User-Agent", "gitopskit")
	// The bytes as they are stored, not what the transport would make of them.
	req.Header.Set("Accept-Encoding", "gzip")
	if err := c.authorize(req); err != nil {
		return nil, false, err
	}
	res, err = c.http.Do(req)
	if err != nil {
		return nil, !httpclient.IsCertificateError(err), classify(ctx, err)
	}
	if res.StatusCode == http.StatusOK {
		return res, false, nil
	}
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxErrorBody))
	_ = res.Body.Close()
	again = res.StatusCode == http.StatusTooManyRequests || res.StatusCode >= 500
	return nil, again, refused(res.StatusCode, c.explain(body, res.Header))
}

// Read asks for a URL and reads an answer of bounded length.
func (c *Client) Read(ctx context.Context, u *url.URL) ([]byte, error) {
	res, err := c.Get(ctx, u, nil)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(httpclient.Limit(res.Body, maxListingPer))
	if errors.Is(err, httpclient.ErrTooLarge) {
		return nil, fmt.Errorf("%w: one answer of the listing has more than %d bytes", source.ErrTooLarge, maxListingPer)
	}
	if err != nil {
		return nil, classify(ctx, err)
	}
	return data, nil
}

func refused(status int, why string) error {
	why = strings.TrimSpace(why)
	if why == "" {
		why = http.StatusText(status)
	}
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return fmt.Errorf("%w: HTTP %d: %s; check the credentials and what they may read", source.ErrAuth, status, why)
	case status == http.StatusNotFound:
		return fmt.Errorf("%w: %s", source.ErrNotFound, why)
	case status == http.StatusTooManyRequests || status >= 500:
		return fmt.Errorf("%w: HTTP %d: %s", source.ErrUnreachable, status, why)
	}
	return fmt.Errorf("HTTP %d: %s", status, why)
}

// classify takes the URL, which may hold a signature, out of an error.
func classify(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	if httpclient.IsCertificateError(err) {
		return fmt.Errorf("%w: set Options.CA if the server has an authority of its own: %w", source.ErrTLS, err)
	}
	var op *net.OpError
	if errors.As(err, &op) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || strings.Contains(err.Error(), "HTTP response to HTTPS client") {
		return fmt.Errorf("%w: %w", source.ErrUnreachable, err)
	}
	return err
}

// Name is that of a bucket.Provider: where, and a hash that keeps what one
// credential fetched from another.
func Name(where string, credentials ...string) string {
	h := sha256.New()
	for _, part := range credentials {
		_, _ = fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return where + "#" + hex.EncodeToString(h.Sum(nil))
}
