package oci

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"path"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"

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
// that expires. Both empty means anonymous.
type Credentials func(ctx context.Context, repository string) (username, password string, err error)

// authenticator finds the credentials for a repository "host/path".
func (c *Client) authenticator(ctx context.Context, registry, repository string) (authn.Authenticator, error) {
	a := c.opts.Auth
	if a.Username != "" || a.Password != "" {
		return &authn.Basic{Username: a.Username, Password: a.Password}, nil
	}
	if len(a.DockerConfig) > 0 {
		auths, err := parseDockerConfig(a.DockerConfig)
		if err != nil {
			return nil, err
		}
		if cfg, ok := matchAuth(auths, registry, repository); ok {
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
	return authn.Anonymous, nil
}

func parseDockerConfig(data []byte) (map[string]authn.AuthConfig, error) {
	var config struct {
		Auths map[string]struct {
			Username      string `json:"username"`
			Password      string `json:"password"`
			Auth          string `json:"auth"`
			IdentityToken string `json:"identitytoken"`
			RegistryToken string `json:"registrytoken"`
		} `json:"auths"`
	}
	if err := json.Unmarshal(data, &config); err != nil {
		// The text of the error may quote what it could not read.
		return nil, fmt.Errorf("%w: the Docker config is no JSON", source.ErrInvalid)
	}
	out := map[string]authn.AuthConfig{}
	for host, a := range config.Auths {
		if a.Auth != "" {
			raw, err := base64.StdEncoding.DecodeString(a.Auth)
			user, password, ok := strings.Cut(string(raw), ":")
			if err != nil || !ok {
				return nil, fmt.Errorf("%w: the Docker config's auth for %s is not base64 of user:password", source.ErrInvalid, host)
			}
			a.Username, a.Password = user, strings.TrimRight(password, "\x00")
		}
		out[host] = authn.AuthConfig{
			Username: a.Username, Password: a.Password, IdentityToken: a.IdentityToken, RegistryToken: a.RegistryToken,
		}
	}
	return out, nil
}

// matchAuth takes the entry with the longest path that names the registry. A
// label of a name may be a glob; the name is matched as a whole.
func matchAuth(auths map[string]authn.AuthConfig, registry, repository string) (authn.AuthConfig, bool) {
	var best authn.AuthConfig
	length, found := -1, false
	for key, cfg := range auths {
		host, prefix := splitAuthKey(key)
		if !sameHost(host, registry) {
			continue
		}
		if prefix != "" && prefix != repository && !strings.HasPrefix(repository, prefix+"/") {
			continue
		}
		score := len(prefix)*2 + boolInt(!strings.Contains(host, "*"))
		if score > length {
			best, length, found = cfg, score, true
		}
	}
	return best, found
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func splitAuthKey(key string) (host, prefix string) {
	key = strings.TrimPrefix(strings.TrimPrefix(key, "https://"), "http://")
	host, prefix, _ = strings.Cut(strings.TrimRight(key, "/"), "/")
	if prefix == "v1" || prefix == "v2" {
		prefix = ""
	}
	if host == "docker.io" {
		host = "index.docker.io"
	}
	return strings.ToLower(host), prefix
}

func sameHost(pattern, host string) bool {
	host = strings.ToLower(host)
	if !strings.Contains(pattern, "*") {
		return pattern == host
	}
	want, have := strings.Split(pattern, "."), strings.Split(host, ".")
	if len(want) != len(have) {
		return false
	}
	for i := range want {
		if ok, err := path.Match(want[i], have[i]); err != nil || !ok {
			return false
		}
	}
	return true
}
