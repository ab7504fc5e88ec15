package s3

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/gitopskit/gitopskit/internal/httpclient"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/bucket"
)

// Keys are credentials for a time.
type Keys struct {
	// AccessKey, SecretKey and SessionToken are what S3 calls so; the last may
	// be empty.
	AccessKey, SecretKey, SessionToken string
	// Expires is when others must be asked for; zero means never.
	Expires time.Time
}

// Credentials returns keys; it is called again when they expire.
type Credentials func(ctx context.Context) (Keys, error)

// Options describes a bucket. Its String shows none of the secrets.
type Options struct {
	// Endpoint is host or host:port. Required.
	Endpoint string
	// Bucket is the bucket's name. Required.
	Bucket string
	// Region is the bucket's; empty asks the server.
	Region string
	// AccessKey, SecretKey and SessionToken are what S3 calls so. All empty
	// and no Credentials means anonymous.
	AccessKey, SecretKey, SessionToken string
	// Credentials is asked where AccessKey is empty; WebIdentity and
	// LDAPIdentity ask a token service.
	Credentials Credentials
	// Identity tells one who gives Credentials from another: what was fetched
	// for one is not shown to others.
	Identity string
	// Insecure speaks plain HTTP.
	Insecure bool
	// CA is PEM of certificates that are trusted beside the system's.
	CA []byte
	// ClientCert and ClientKey are PEM of what the client shows.
	ClientCert, ClientKey []byte
	// ProxyURL is http, https or socks5, instead of the environment's.
	ProxyURL string
	// ProxyUsername and ProxyPassword are optional.
	ProxyUsername, ProxyPassword string
}

// String implements fmt.Stringer without secrets.
func (o Options) String() string { return "s3.Options{" + o.Endpoint + "/" + o.Bucket + "}" }

// GoString is String.
func (o Options) GoString() string { return o.String() }

// Provider reads one bucket. It is safe for concurrent use.
type Provider struct {
	opts   Options
	client *minio.Client
	idle   func()
	name   string
}

var _ bucket.Provider = (*Provider)(nil)

// New checks the options. It makes no request.
func New(opts Options) (*Provider, error) {
	p, err := newProvider(opts)
	if err != nil {
		return nil, &source.Error{Op: "open S3 bucket", Ref: opts.Endpoint + "/" + opts.Bucket, Err: fmt.Errorf("%w: %w", source.ErrInvalid, err)}
	}
	return p, nil
}

func newProvider(opts Options) (*Provider, error) {
	switch {
	case opts.Endpoint == "":
		return nil, errors.New("set Options.Endpoint")
	case strings.Contains(opts.Endpoint, "/"):
		return nil, errors.New("Options.Endpoint is host or host:port, without scheme and path")
	case opts.Bucket == "":
		return nil, errors.New("set Options.Bucket")
	}
	transport, err := httpclient.New(httpclient.Options{
		CA: opts.CA, ClientCert: opts.ClientCert, ClientKey: opts.ClientKey,
		ProxyURL: opts.ProxyURL, ProxyUsername: opts.ProxyUsername, ProxyPassword: opts.ProxyPassword,
	})
	if err != nil {
		return nil, err
	}
	transport.MaxIdleConnsPerHost = 128
	client, err := minio.New(opts.Endpoint, &minio.Options{
		Creds: opts.creds(), Secure: !opts.Insecure, Region: opts.Region, Transport: transport,
	})
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	for _, part := range []string{opts.AccessKey, opts.SecretKey, opts.SessionToken, opts.Identity} {
		_, _ = fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	name := opts.Endpoint + "/" + opts.Bucket + "#" + hex.EncodeToString(h.Sum(nil))
	return &Provider{opts: opts, client: client, idle: transport.CloseIdleConnections, name: name}, nil
}

func (o Options) creds() *credentials.Credentials {
	switch {
	case o.AccessKey != "" || o.SecretKey != "":
		return credentials.NewStaticV4(o.AccessKey, o.SecretKey, o.SessionToken)
	case o.Credentials != nil:
		return credentials.New(&plugged{ask: o.Credentials})
	}
	return credentials.NewStatic("", "", "", credentials.SignatureAnonymous)
}

// plugged adapts Credentials to minio-go.
type plugged struct {
	credentials.Expiry
	ask Credentials
}

// Retrieve implements credentials.Provider.
func (p *plugged) Retrieve() (credentials.Value, error) { return p.retrieve(context.Background()) }

func (p *plugged) retrieve(ctx context.Context) (credentials.Value, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	k, err := p.ask(ctx)
	if err != nil {
		return credentials.Value{}, fmt.Errorf("%w: credentials: %w", source.ErrAuth, err)
	}
	if k.Expires.IsZero() {
		k.Expires = time.Now().Add(15 * time.Minute)
	}
	p.SetExpiration(k.Expires, credentials.DefaultExpiryWindow)
	return credentials.Value{AccessKeyID: k.AccessKey, SecretAccessKey: k.SecretKey, SessionToken: k.SessionToken, SignerType: credentials.SignatureV4}, nil
}

// RetrieveWithCredContext implements credentials.Provider.
func (p *plugged) RetrieveWithCredContext(cc *credentials.CredContext) (credentials.Value, error) {
	if cc == nil || cc.Context == nil {
		return p.Retrieve()
	}
	return p.retrieve(cc.Context)
}

// Close ends idle connections.
func (p *Provider) Close() error {
	p.idle()
	return nil
}

// Name implements bucket.Provider. It holds a hash of the keys; do not log it.
func (p *Provider) Name() string { return p.name }

// List implements bucket.Provider.
func (p *Provider) List(ctx context.Context, prefix string) iter.Seq2[bucket.Object, error] {
	return func(yield func(bucket.Object, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		listing := p.client.ListObjects(ctx, p.opts.Bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true})
		defer func() {
			cancel()
			for range listing { //nolint:revive // its goroutine ends when all is read
			}
		}()
		for o := range listing {
			if o.Err != nil {
				yield(bucket.Object{}, p.classify(ctx, o.Err))
				return
			}
			if !yield(bucket.Object{Key: o.Key, ETag: o.ETag, Size: o.Size}, nil) {
				return
			}
		}
		if ctx.Err() != nil {
			yield(bucket.Object{}, context.Cause(ctx))
		}
	}
}

// Get implements bucket.Provider.
func (p *Provider) Get(ctx context.Context, key string) (io.ReadCloser, bucket.Object, error) {
	core := minio.Core{Client: p.client}
	r, info, _, err := core.GetObject(ctx, p.opts.Bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return nil, bucket.Object{}, p.classify(ctx, err)
	}
	return r, bucket.Object{Key: key, ETag: info.ETag, Size: info.Size}, nil
}

// classify gives an error the sentinel that callers look for.
func (p *Provider) classify(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, source.ErrAuth) {
		return err
	}
	res := minio.ToErrorResponse(err)
	switch {
	case res.Code == "NoSuchBucket":
		return fmt.Errorf("%w: there is no bucket %q at %s", source.ErrNotFound, p.opts.Bucket, p.opts.Endpoint)
	case res.Code == "NoSuchKey" || res.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%w: %s", source.ErrNotFound, res.Message)
	case res.StatusCode == http.StatusForbidden || res.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("%w: %s: %s; check access key, secret key and the bucket's policy", source.ErrAuth, res.Code, res.Message)
	}
	if httpclient.IsCertificateError(err) {
		return fmt.Errorf("%w: set Options.CA if the server has an authority of its own: %w", source.ErrTLS, err)
	}
	var op *net.OpError
	if errors.As(err, &op) || errors.Is(err, io.ErrUnexpectedEOF) || strings.Contains(err.Error(), "HTTP response to HTTPS client") {
		return fmt.Errorf("%w: %w", source.ErrUnreachable, err)
	}
	return err
}
