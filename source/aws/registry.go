package aws

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"

	"github.com/gitopskit/gitopskit/source"
)

// registryHost is the name of a private registry, as a whole: account and region.
var registryHost = regexp.MustCompile(`^([0-9]{12})\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.aws)$`)

// early is how long before its end a password is not used any more.
const early = 10 * time.Minute

// Registry is an oci.Credentials: it gives user name and password for a
// repository in Amazon's registry, and none for others.
func (i *Identity) Registry(ctx context.Context, repository string) (username, secret string, err error) {
	host, _, _ := strings.Cut(repository, "/")
	parts := registryHost.FindStringSubmatch(strings.ToLower(host))
	if parts == nil {
		return "", "", nil
	}
	key := parts[1] + " " + parts[2]
	select {
	case i.turn <- struct{}{}:
	case <-ctx.Done():
		return "", "", context.Cause(ctx)
	}
	defer func() { <-i.turn }()
	if p, ok := i.passwords[key]; ok && time.Until(p.expires) > early {
		return p.user, p.text, nil
	}
	p, err := i.password(ctx, parts[2])
	if err != nil {
		return "", "", &source.Error{Op: "log in to registry", Ref: host, Err: err}
	}
	i.passwords[key] = p
	return p.user, p.text, nil
}

// password asks the registry's region for one. It is good for all registries
// that the identity may see.
func (i *Identity) password(ctx context.Context, region string) (password, error) {
	if _, err := i.credentials(ctx); err != nil {
		return password{}, err
	}
	client := ecr.NewFromConfig(i.config, func(o *ecr.Options) {
		o.Region = region
		if i.opts.ECREndpoint != "" {
			o.BaseEndpoint = sdk.String(i.opts.ECREndpoint)
		}
	})
	out, err := client.GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		if ctx.Err() != nil {
			return password{}, context.Cause(ctx)
		}
		return password{}, fmt.Errorf("%w: %w", source.ErrAuth, withoutToken(err, i.opts))
	}
	if len(out.AuthorizationData) == 0 {
		return password{}, fmt.Errorf("%w: the registry gave no password", source.ErrAuth)
	}
	d := out.AuthorizationData[0]
	raw, err := base64.StdEncoding.DecodeString(sdk.ToString(d.AuthorizationToken))
	user, text, ok := strings.Cut(string(raw), ":")
	if err != nil || !ok {
		return password{}, errors.New("the registry's password cannot be read")
	}
	return password{user, text, sdk.ToTime(d.ExpiresAt)}, nil
}
