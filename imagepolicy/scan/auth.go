package scan

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

// Auth holds credentials for registries. Its String, GoString and LogValue show
// none of the secrets. The zero value has none.
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
func (a Auth) GoString() string { return "scan.Auth{" + a.String() + "}" }

// LogValue implements slog.LogValuer without secrets.
func (a Auth) LogValue() slog.Value { return slog.StringValue(a.String()) }

// Credentials returns a user name and password for a repository, such as
// "123.dkr.ecr.eu-west-1.amazonaws.com/app". It is how logins to clouds are
// plugged in; it is called for each scan and may keep what it got until that
// expires. Both empty means anonymous.
type Credentials func(ctx context.Context, repository string) (username, password string, err error)

// credentials finds what to show for a repository.
func (c *Client) credentials(ctx context.Context, repo name.Repository) (authn.AuthConfig, error) {
	registry := repo.RegistryStr()
	switch a := c.opts.Auth; {
	case a.Username != "" || a.Password != "":
		return authn.AuthConfig{Username: a.Username, Password: a.Password}, nil
	case len(a.DockerConfig) > 0:
		found, _ := c.docker.Find(registry, repo.RepositoryStr())
		return found, nil
	case c.opts.Credentials != nil:
		user, password, err := c.opts.Credentials(ctx, repo.Name())
		if err != nil {
			return authn.AuthConfig{}, fmt.Errorf("%w: credentials for %s: %w", ErrAuth, registry, err)
		}
		return authn.AuthConfig{Username: user, Password: password}, nil
	case c.opts.Keychain:
		return keychain(ctx, repo)
	}
	return authn.AuthConfig{}, nil
}

// keychain asks what docker login left on this machine.
func keychain(ctx context.Context, repo name.Repository) (authn.AuthConfig, error) {
	found, err := authn.Resolve(ctx, authn.DefaultKeychain, repo)
	if err != nil {
		return authn.AuthConfig{}, fmt.Errorf("%w: the keychain for %s: %w", ErrAuth, repo.RegistryStr(), err)
	}
	config, err := authn.Authorization(ctx, found)
	if err != nil {
		return authn.AuthConfig{}, fmt.Errorf("%w: the keychain for %s: %w", ErrAuth, repo.RegistryStr(), err)
	}
	return *config, nil
}
