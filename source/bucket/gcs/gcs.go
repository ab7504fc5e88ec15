package gcs

import (
	"context"
	"encoding/json"
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

// Token returns an OAuth 2.0 access token that may read the bucket, and when it
// expires; a zero time means in five minutes.
type Token func(ctx context.Context) (token string, expires time.Time, err error)

// Options describes a bucket. Its String shows none of the secrets.
type Options struct {
	// Bucket is the bucket's name. Required.
	Bucket string
	// Endpoint is the API's URL. Empty means https://storage.googleapis.com.
	Endpoint string
	// ServiceAccount is a service account's key in JSON. Empty and no Token
	// means anonymous.
	ServiceAccount []byte
	// Token is asked where ServiceAccount is empty.
	Token Token
	// Identity tells one who gives Token from another: what was fetched for
	// one is not shown to others.
	Identity string
	// CA is PEM of certificates that are trusted beside the system's.
	CA []byte
	// ProxyURL is http, https or socks5, instead of the environment's.
	ProxyURL string
	// ProxyUsername and ProxyPassword are optional.
	ProxyUsername, ProxyPassword string
}

// String implements fmt.Stringer without secrets.
func (o Options) String() string { return "gcs.Options{" + o.Bucket + "}" }

// GoString is String.
func (o Options) GoString() string { return o.String() }

// Provider reads one bucket. It is safe for concurrent use.
type Provider struct {
	base *url.URL // …/storage/v1/b/BUCKET/o
	rest *rest.Client
	name string
}

var _ bucket.Provider = (*Provider)(nil)

const defaultEndpoint = "https://storage.googleapis.com"

// New checks the options. It makes no request.
func New(opts Options) (*Provider, error) {
	p, err := newProvider(opts)
	if err != nil {
		return nil, &source.Error{Op: "open GCS bucket", Ref: opts.Bucket, Err: fmt.Errorf("%w: %w", source.ErrInvalid, err)}
	}
	return p, nil
}

func newProvider(opts Options) (*Provider, error) {
	if opts.Bucket == "" {
		return nil, errors.New("set Options.Bucket")
	}
	if opts.Endpoint == "" {
		opts.Endpoint = defaultEndpoint
	}
	base, err := url.Parse(opts.Endpoint)
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" || base.User != nil {
		return nil, errors.New("Options.Endpoint must be like https://storage.googleapis.com")
	}
	p := &Provider{base: base.JoinPath("storage/v1/b", url.PathEscape(opts.Bucket), "o")}
	var account *serviceAccount
	if len(opts.ServiceAccount) > 0 {
		if account, err = readServiceAccount(opts.ServiceAccount); err != nil {
			return nil, err
		}
	}
	authorize := func(*http.Request) error { return nil }
	switch {
	case account != nil:
		authorize = rest.NewTokens(func(ctx context.Context) (string, time.Time, error) { return account.token(ctx, p.rest.HTTP()) }).Authorize
	case opts.Token != nil:
		authorize = rest.NewTokens(opts.Token).Authorize
	}
	p.rest, err = rest.New(httpclient.Options{
		CA: opts.CA, ProxyURL: opts.ProxyURL, ProxyUsername: opts.ProxyUsername, ProxyPassword: opts.ProxyPassword,
	}, authorize, explain)
	p.name = rest.Name(base.Host+"/"+opts.Bucket, string(opts.ServiceAccount), opts.Identity)
	return p, err
}

// Close ends idle connections.
func (p *Provider) Close() error {
	p.rest.Close()
	return nil
}

// Name implements bucket.Provider. It holds a hash of the key; do not log it.
func (p *Provider) Name() string { return p.name }

// object is the API's description of one.
// https://cloud.google.com/storage/docs/json_api/v1/objects
type object struct {
	Name       string `json:"name"`
	ETag       string `json:"etag"`
	Size       string `json:"size"`
	Generation string `json:"generation"`
}

const objectFields = "name,etag,size,generation"

func (o object) describe() (bucket.Object, error) {
	size, err := strconv.ParseInt(o.Size, 10, 64)
	if err != nil || o.Name == "" || o.ETag == "" {
		return bucket.Object{}, fmt.Errorf("%w: the server describes an object without name, ETag or size", source.ErrCorrupt)
	}
	return bucket.Object{Key: o.Name, ETag: o.ETag, Size: size}, nil
}

// List implements bucket.Provider.
func (p *Provider) List(ctx context.Context, prefix string) iter.Seq2[bucket.Object, error] {
	return func(yield func(bucket.Object, error) bool) {
		query := url.Values{"prefix": {prefix}, "maxResults": {"1000"}, "fields": {"nextPageToken,items(" + objectFields + ")"}}
		for {
			var page struct {
				Items []object `json:"items"`
				Next  string   `json:"nextPageToken"`
			}
			if err := p.read(ctx, p.at("", query), &page); err != nil {
				yield(bucket.Object{}, err)
				return
			}
			for _, item := range page.Items {
				o, err := item.describe()
				if !yield(o, err) || err != nil {
					return
				}
			}
			if page.Next == "" {
				return
			}
			query.Set("pageToken", page.Next)
		}
	}
}

// at is the URL of an object, or of the listing.
func (p *Provider) at(key string, query url.Values) *url.URL {
	u := *p.base
	if key != "" {
		u.RawPath = u.EscapedPath() + "/" + url.PathEscape(key)
		u.Path += "/" + key
	}
	u.RawQuery = query.Encode()
	return &u
}

func (p *Provider) read(ctx context.Context, u *url.URL, into any) error {
	data, err := p.rest.Read(ctx, u)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%w: the answer of %s is not the API's JSON", source.ErrCorrupt, p.base.Host)
	}
	return nil
}

// changes is how often an object may change between its description and its
// content before that is an error.
const changes = 5

// Get implements bucket.Provider.
func (p *Provider) Get(ctx context.Context, key string) (io.ReadCloser, bucket.Object, error) {
	for try := 1; ; try++ {
		var o object
		if err := p.read(ctx, p.at(key, url.Values{"fields": {objectFields}}), &o); err != nil {
			return nil, bucket.Object{}, err
		}
		described, err := o.describe()
		if err != nil {
			return nil, bucket.Object{}, err
		}
		res, err := p.rest.Get(ctx, p.at(key, url.Values{"alt": {"media"}, "generation": {o.Generation}}), nil)
		if errors.Is(err, source.ErrNotFound) && try < changes {
			continue // another generation came meanwhile, or none is left
		}
		if err != nil {
			return nil, bucket.Object{}, err
		}
		return res.Body, described, nil
	}
}

// explain reads the API's description of an error.
func explain(body []byte, _ http.Header) string {
	var e struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &e) == nil && e.Error.Message != "" {
		return e.Error.Message
	}
	if len(body) < 200 && !strings.Contains(string(body), "<") {
		return string(body)
	}
	return ""
}
