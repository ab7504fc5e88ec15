package oci

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/gitopskit/gitopskit/internal/dockerconfig"
	"github.com/gitopskit/gitopskit/source"
)

// Auth holds credentials for registries. Its String, GoString and LogValue show
// none of the secrets. The zero value is anonymous.
type Auth struct {
	// Username and Password are for whatever registry is asked.
	Username, Password string
	// DockerConfig is the content of a Docker config.json, as Secrets of type
	// kubernetes.io/dockerconfigjson hold it. A registry without an entry is
	// asked anonymously.
	DockerConfig []byte
}

// String implements fmt.Stringer without secrets.
func (a Auth) String() string {
	switch {
	case a.Username != "" || a.Password != "":
		return fmt.Sprintf("user %q", a.Username)
	case len(a.DockerConfig) > 0:
		return "Docker config"
	}
	return "no credentials"
}

// GoString implements fmt.GoStringer without secrets.
func (a Auth) GoString() string { return "oci.Auth{" + a.String() + "}" }

// LogValue implements slog.LogValuer without secrets.
func (a Auth) LogValue() slog.Value { return slog.StringValue(a.String()) }

// Credentials returns a user name and password for a repository, such as
// "123.dkr.ecr.eu-west-1.amazonaws.com/app". It is how logins to clouds are
// plugged in; it is called for each operation and may keep what it got until
// that expires. Both empty means anonymous. That for Amazon is in the module
// source/aws; the examples show those for Google and Azure.
type Credentials func(ctx context.Context, repository string) (username, password string, err error)

// authenticator finds the credentials for a repository "host/path".
func (c *Client) authenticator(ctx context.Context, registry, repository string) (authn.Authenticator, error) {
	a := c.opts.Auth
	if a.Username != "" || a.Password != "" {
		return &authn.Basic{Username: a.Username, Password: a.Password}, nil
	}
	if len(a.DockerConfig) > 0 {
		config, err := dockerconfig.Parse(a.DockerConfig)
		if err != nil {
			return nil, invalidf("%v", err)
		}
		if cfg, ok := config.Find(registry, repository); ok {
			return authn.FromConfig(cfg), nil
		}
		return authn.Anonymous, nil
	}
	if c.opts.Credentials != nil {
		user, password, err := c.opts.Credentials(ctx, registry+"/"+repository)
		if err != nil {
			return nil, fmt.Errorf("%w: credentials for %s: %w", source.ErrAuth, registry, err)
		}
		if user != "" || password != "" {
			return &authn.Basic{Username: user, Password: password}, nil
		}
	}
	if c.opts.Keychain {
		found, err := authn.Resolve(ctx, authn.DefaultKeychain, dockerTarget{registry, repository})
		if err != nil {
			return nil, fmt.Errorf("%w: Docker's login for %s: %w", source.ErrAuth, registry, err)
		}
		return found, nil
	}
	return authn.Anonymous, nil
}

// dockerTarget is what Docker's configuration is asked about.
type dockerTarget struct{ registry, repository string }

func (d dockerTarget) String() string      { return d.registry + "/" + d.repository }
func (d dockerTarget) RegistryStr() string { return d.registry }
