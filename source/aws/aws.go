package aws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/bucket/s3"
)

// Options says who logs in. The zero value is what the AWS SDK finds: variables
// of the environment, files in ~/.aws, the identity of a pod or machine.
type Options struct {
	// Region is where the token service is asked. Empty is what the SDK finds.
	Region string
	// AccessKey, SecretKey and SessionToken are used instead of what the SDK
	// finds.
	AccessKey, SecretKey, SessionToken string
	// RoleARN is a role that is assumed, with WebIdentityToken if that is set,
	// else with the other credentials.
	RoleARN string
	// WebIdentityToken returns a token of OpenID Connect, such as that of a
	// service account of a tenant.
	WebIdentityToken func(ctx context.Context) (string, error)
	// SessionName is how AWS's log calls the session. Empty means "gitopskit".
	SessionName string
	// STSEndpoint and ECREndpoint are URLs that are asked instead of AWS's
	// own.
	STSEndpoint, ECREndpoint string
	// HTTPClient is used for all requests; nil means the SDK's.
	HTTPClient *http.Client
}

// String implements fmt.Stringer without secrets.
func (o Options) String() string { return "aws.Options{" + o.Region + " " + o.RoleARN + "}" }

// GoString is String.
func (o Options) GoString() string { return o.String() }

// Identity is somebody who can log in. It is safe for concurrent use.
type Identity struct {
	opts   Options
	config sdk.Config

	turn      chan struct{}       // holds one while somebody looks at passwords
	passwords map[string]password // by account and region of the registry
}

type password struct {
	user, text string
	expires    time.Time
}

// New finds the credentials. It makes no request but for what the SDK needs to
// find them.
func New(ctx context.Context, opts Options) (*Identity, error) {
	i, err := newIdentity(ctx, opts)
	if err != nil {
		return nil, &source.Error{Op: "log in to AWS", Ref: opts.RoleARN, Err: fmt.Errorf("%w: %w", source.ErrInvalid, err)}
	}
	return i, nil
}

func newIdentity(ctx context.Context, opts Options) (*Identity, error) {
	switch {
	case opts.WebIdentityToken != nil && opts.RoleARN == "":
		return nil, errors.New("set Options.RoleARN: a web identity is for a role")
	case (opts.AccessKey == "") != (opts.SecretKey == ""):
		return nil, errors.New("set both Options.AccessKey and SecretKey, or none")
	}
	if opts.SessionName == "" {
		opts.SessionName = "gitopskit"
	}
	var load []func(*config.LoadOptions) error
	if opts.Region != "" {
		load = append(load, config.WithRegion(opts.Region))
	}
	if opts.HTTPClient != nil {
		load = append(load, config.WithHTTPClient(opts.HTTPClient))
	}
	if opts.AccessKey != "" {
		load = append(load, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(opts.AccessKey, opts.SecretKey, opts.SessionToken)))
	}
	c, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, err
	}
	if c.Region == "" {
		return nil, errors.New("set Options.Region: none is in the environment")
	}
	i := &Identity{opts: opts, config: c, turn: make(chan struct{}, 1), passwords: map[string]password{}}
	if opts.RoleARN != "" {
		i.config.Credentials = &cached{ask: i.role(c), turn: make(chan struct{}, 1)}
	}
	return i, nil
}

// role assumes the role with what is known so far.
func (i *Identity) role(c sdk.Config) sdk.CredentialsProvider {
	client := sts.NewFromConfig(c, func(o *sts.Options) {
		if i.opts.STSEndpoint != "" {
			o.BaseEndpoint = sdk.String(i.opts.STSEndpoint)
		}
	})
	if i.opts.WebIdentityToken != nil {
		return webIdentity{client, i.opts}
	}
	return stscreds.NewAssumeRoleProvider(client, i.opts.RoleARN, func(o *stscreds.AssumeRoleOptions) { o.RoleSessionName = i.opts.SessionName })
}

// webIdentity assumes a role with a token, whose source gets the context, unlike
// the SDK's own.
type webIdentity struct {
	client *sts.Client
	opts   Options
}

// Retrieve implements the SDK's CredentialsProvider.
func (w webIdentity) Retrieve(ctx context.Context) (sdk.Credentials, error) {
	token, err := w.opts.WebIdentityToken(ctx)
	if err != nil {
		return sdk.Credentials{}, fmt.Errorf("web identity token: %w", err)
	}
	out, err := w.client.AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: sdk.String(w.opts.RoleARN), RoleSessionName: sdk.String(w.opts.SessionName), WebIdentityToken: sdk.String(token),
	})
	if err != nil {
		return sdk.Credentials{}, err
	}
	c := out.Credentials
	if c == nil {
		return sdk.Credentials{}, errors.New("the token service gave no credentials")
	}
	return sdk.Credentials{
		AccessKeyID: sdk.ToString(c.AccessKeyId), SecretAccessKey: sdk.ToString(c.SecretAccessKey), SessionToken: sdk.ToString(c.SessionToken),
		CanExpire: c.Expiration != nil, Expires: sdk.ToTime(c.Expiration), Source: "gitopskit web identity",
	}, nil
}

// cached keeps keys until shortly before they expire. Unlike the SDK's cache it
// ends with the context of who asks.
type cached struct {
	ask  sdk.CredentialsProvider
	turn chan struct{} // holds one while somebody looks at last
	last sdk.Credentials
}

// Retrieve implements the SDK's CredentialsProvider.
func (c *cached) Retrieve(ctx context.Context) (sdk.Credentials, error) {
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return sdk.Credentials{}, context.Cause(ctx)
	}
	defer func() { <-c.turn }()
	if c.last.HasKeys() && (!c.last.CanExpire || time.Until(c.last.Expires) > keysEarly) {
		return c.last, nil
	}
	fresh, err := c.ask.Retrieve(ctx)
	if err == nil {
		c.last = fresh
	}
	return fresh, err
}

// keysEarly is how long before their end keys are not used any more.
const keysEarly = 5 * time.Minute

// Name tells this identity from others, without secrets: for s3.Options.Identity.
func (i *Identity) Name() string { return i.opts.RoleARN + " " + i.opts.AccessKey }

// Keys is an s3.Credentials.
func (i *Identity) Keys(ctx context.Context) (s3.Keys, error) {
	c, err := i.credentials(ctx)
	if err != nil {
		return s3.Keys{}, err
	}
	k := s3.Keys{AccessKey: c.AccessKeyID, SecretKey: c.SecretAccessKey, SessionToken: c.SessionToken}
	if c.CanExpire {
		k.Expires = c.Expires
	}
	return k, nil
}

func (i *Identity) credentials(ctx context.Context) (sdk.Credentials, error) {
	if i.config.Credentials == nil {
		return sdk.Credentials{}, &source.Error{Op: "log in to AWS", Err: fmt.Errorf("%w: the SDK finds no credentials", source.ErrAuth)}
	}
	c, err := i.config.Credentials.Retrieve(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return sdk.Credentials{}, context.Cause(ctx)
		}
		return sdk.Credentials{}, &source.Error{Op: "log in to AWS", Ref: i.opts.RoleARN, Err: fmt.Errorf("%w: %w", source.ErrAuth, withoutToken(err, i.opts))}
	}
	return c, nil
}

// withoutToken is a guard against an SDK that would show what it sent.
func withoutToken(err error, o Options) error {
	for _, secret := range []string{o.SecretKey, o.SessionToken} {
		if secret != "" && strings.Contains(err.Error(), secret) {
			return errors.New("AWS refused the credentials")
		}
	}
	return err
}
