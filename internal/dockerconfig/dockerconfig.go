// Package dockerconfig reads the credentials for registries that a Docker
// config.json holds, as Secrets of type kubernetes.io/dockerconfigjson have it.
package dockerconfig

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
)

// Config is the credentials by registry, as the file has them.
type Config map[string]authn.AuthConfig

// Parse reads a config.json. Its errors hold nothing of the content but names of
// registries.
func Parse(data []byte) (Config, error) {
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
		return nil, errors.New("the Docker config is no JSON")
	}
	out := Config{}
	for host, a := range config.Auths {
		if a.Auth != "" {
			raw, err := base64.StdEncoding.DecodeString(a.Auth)
			user, password, ok := strings.Cut(string(raw), ":")
			if err != nil || !ok {
				return nil, fmt.Errorf("the Docker config's auth for %s is not base64 of user:password", host)
			}
			a.Username, a.Password = user, strings.TrimRight(password, "\x00")
		}
		out[host] = authn.AuthConfig{
			Username: a.Username, Password: a.Password, IdentityToken: a.IdentityToken, RegistryToken: a.RegistryToken,
		}
	}
	return out, nil
}

// Find takes the entry with the longest path that names the registry. A label of a
// name may be a glob; the name is matched as a whole.
func (c Config) Find(registry, repository string) (authn.AuthConfig, bool) {
	var best authn.AuthConfig
	length, found := -1, false
	for key, cfg := range c {
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
