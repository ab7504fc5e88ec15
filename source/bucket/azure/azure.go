package azure

import (
	"context"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gitopskit/gitopskit/internal/httpclient"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/bucket"
	"github.com/gitopskit/gitopskit/source/bucket/internal/rest"
)

// Token returns an access token of Microsoft Entra for Scope, and when it
// expires; a zero time means in five minutes.
type Token func(ctx context.Context) (token string, expires time.Time, err error)

// Scope is what tokens must be for.
const Scope = "https://storage.azure.com/.default"

// Options describes a container. Its String shows none of the secrets. Of the
// credentials, the first that is set counts: Token, Application, AccountKey,
// SASKey. None means anonymous.
type Options struct {
	// Endpoint is the account's URL, such as
	// https://account.blob.core.windows.net. Required.
	Endpoint string
	// Container is the container's name. Required.
	Container string
	// Account is the storage account's name. Empty means the first part of
	// the endpoint's host.
	Account string
	// Token is asked for an access token.
	Token Token
	// Identity tells one who gives Token from another: what was fetched for
	// one is not shown to others.
	Identity string
	// Application is one that Entra knows.
	Application Application
	// AccountKey is one of the account's keys, in base64.
	AccountKey string
	// SASKey is a shared access signature, with or without "?".
	SASKey string
	// CA is PEM of certificates that are trusted beside the system's.
	CA []byte
	// ProxyURL is http, https or socks5, instead of the environment's.
	ProxyURL string
	// ProxyUsername and ProxyPassword are optional.
	ProxyUsername, ProxyPassword string
}

// String implements fmt.Stringer without secrets.
func (o Options) String() string { return "azure.Options{" + o.Endpoint + "/" + o.Container + "}" }

// GoString is String.
func (o Options) GoString() string { return o.String() }

// Provider reads one container. It is safe for concurrent use.
type Provider struct {
	base *url.URL // ENDPOINT/CONTAINER
	sas  url.Values
	rest *rest.Client
	name string
}

var _ bucket.Provider = (*Provider)(nil)

// apiVersion is that of the requests and answers below.
const apiVersion = "2023-11-03"

// New checks the options. It makes no request.
func New(opts Options) (*Provider, error) {
	p, err := newProvider(opts)
	if err != nil {
		ref := opts.Container
		if u, perr := url.Parse(opts.Endpoint); perr == nil {
			ref = u.Host + "/" + ref
		}
		return nil, &source.Error{Op: "open Azure container", Ref: ref, Err: fmt.Errorf("%w: %w", source.ErrInvalid, err)}
	}
	return p, nil
}

func newProvider(opts Options) (*Provider, error) {
	base, err := url.Parse(opts.Endpoint)
	switch {
	case opts.Endpoint == "":
		return nil, errors.New("set Options.Endpoint")
	case err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" || base.User != nil || base.RawQuery != "":
		return nil, errors.New("Options.Endpoint must be like https://account.blob.core.windows.net")
	case opts.Container == "":
		return nil, errors.New("set Options.Container")
	}
	if opts.Account == "" {
		opts.Account, _, _ = strings.Cut(base.Hostname(), ".")
	}
	p := &Provider{base: base.JoinPath(opts.Container)}
	authorize, err := p.authorizer(opts)
	if err != nil {
		return nil, err
	}
	p.rest, err = rest.New(httpclient.Options{
		CA: opts.CA, ProxyURL: opts.ProxyURL, ProxyUsername: opts.ProxyUsername, ProxyPassword: opts.ProxyPassword,
	}, func(req *http.Request) error {
		req.Header.Set("X-Ms-Version", apiVersion)
		return authorize(req)
	}, explain)
	a := opts.Application
	p.name = rest.Name(base.Host+"/"+opts.Container, opts.AccountKey, opts.SASKey, a.TenantID, a.ClientID, a.ClientSecret, string(a.ClientCertificate), opts.Identity)
	return p, err
}

// authorizer is what the credentials add to each request.
func (p *Provider) authorizer(opts Options) (func(*http.Request) error, error) {
	switch {
	case opts.Token != nil:
		return rest.NewTokens(opts.Token).Authorize, nil
	case opts.Application.set():
		app, err := opts.Application.ready()
		if err != nil {
			return nil, err
		}
		return rest.NewTokens(func(ctx context.Context) (string, time.Time, error) { return app.token(ctx, p.rest.HTTP()) }).Authorize, nil
	case opts.AccountKey != "":
		key, err := base64.StdEncoding.DecodeString(opts.AccountKey)
		if err != nil {
			return nil, errors.New("Options.AccountKey is not base64")
		}
		return sharedKey{opts.Account, key}.sign, nil
	case opts.SASKey != "":
		var err error
		if p.sas, err = url.ParseQuery(strings.TrimPrefix(opts.SASKey, "?")); err != nil || p.sas.Get("sig") == "" {
			return nil, errors.New("Options.SASKey is no shared access signature: it needs sig=…")
		}
	}
	return func(*http.Request) error { return nil }, nil
}

// Close ends idle connections.
func (p *Provider) Close() error {
	p.rest.Close()
	return nil
}

// Name implements bucket.Provider. It holds a hash of the keys; do not log it.
func (p *Provider) Name() string { return p.name }

// at is the URL of a blob, or of the container.
func (p *Provider) at(key string, query url.Values) *url.URL {
	u := *p.base
	if key != "" {
		u.RawPath = u.EscapedPath() + "/" + escapeKey(key)
		u.Path += "/" + key
	}
	for k, v := range p.sas {
		query[k] = v
	}
	u.RawQuery = query.Encode()
	return &u
}

func escapeKey(key string) string {
	parts := strings.Split(key, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return strings.Join(parts, "/")
}

// blobName is a name in a listing, which is encoded if XML cannot hold it.
type blobName struct {
	Encoded bool   `xml:"Encoded,attr"`
	Text    string `xml:",chardata"`
}

type listing struct {
	Blobs []struct {
		Name       blobName `xml:"Name"`
		Properties struct {
			ETag string `xml:"Etag"`
			Size int64  `xml:"Content-Length"`
			Kind string `xml:"ResourceType"`
		} `xml:"Properties"`
	} `xml:"Blobs>Blob"`
	Next string `xml:"NextMarker"`
}

// List implements bucket.Provider.
// https://learn.microsoft.com/rest/api/storageservices/list-blobs
func (p *Provider) List(ctx context.Context, prefix string) iter.Seq2[bucket.Object, error] {
	return func(yield func(bucket.Object, error) bool) {
		marker := ""
		for {
			page, err := p.page(ctx, prefix, marker)
			if err != nil {
				yield(bucket.Object{}, err)
				return
			}
			for _, b := range page.Blobs {
				if b.Properties.Kind == "directory" {
					continue
				}
				key := b.Name.Text
				if b.Name.Encoded {
					if key, err = url.PathUnescape(key); err != nil {
						yield(bucket.Object{}, fmt.Errorf("%w: the server encodes a blob's name wrongly", source.ErrCorrupt))
						return
					}
				}
				if !yield(bucket.Object{Key: key, ETag: strings.Trim(b.Properties.ETag, `"`), Size: b.Properties.Size}, nil) {
					return
				}
			}
			if marker = page.Next; marker == "" {
				return
			}
		}
	}
}

func (p *Provider) page(ctx context.Context, prefix, marker string) (listing, error) {
	query := url.Values{"restype": {"container"}, "comp": {"list"}}
	if prefix != "" {
		query.Set("prefix", prefix)
	}
	if marker != "" {
		query.Set("marker", marker)
	}
	data, err := p.rest.Read(ctx, p.at("", query))
	if err != nil {
		return listing{}, err
	}
	var page listing
	if err := xml.Unmarshal(data, &page); err != nil {
		return listing{}, fmt.Errorf("%w: the answer of %s is not the API's XML", source.ErrCorrupt, p.base.Host)
	}
	return page, nil
}

// Get implements bucket.Provider.
func (p *Provider) Get(ctx context.Context, key string) (io.ReadCloser, bucket.Object, error) {
	res, err := p.rest.Get(ctx, p.at(key, url.Values{}), nil)
	if err != nil {
		return nil, bucket.Object{}, err
	}
	etag := strings.Trim(res.Header.Get("ETag"), `"`)
	size, err := strconv.ParseInt(res.Header.Get("Content-Length"), 10, 64)
	if err != nil || etag == "" {
		_ = res.Body.Close()
		return nil, bucket.Object{}, fmt.Errorf("%w: the server describes a blob without ETag or size", source.ErrCorrupt)
	}
	return res.Body, bucket.Object{Key: key, ETag: etag, Size: size}, nil
}

// explain reads the API's description of an error, without the details, which
// quote what was signed.
func explain(body []byte, header http.Header) string {
	var e struct {
		Code    string `xml:"Code"`
		Message string `xml:"Message"`
	}
	if xml.Unmarshal(body, &e) == nil && e.Code != "" {
		message, _, _ := strings.Cut(e.Message, "\n") // the rest is the request's number and time
		return e.Code + ": " + strings.TrimSpace(message)
	}
	return header.Get("X-Ms-Error-Code")
}
