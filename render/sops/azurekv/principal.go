package azurekv

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"go.yaml.in/yaml/v3"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/gitopskit/gitopskit/render/sops/internal/cloud"
)

const (
	authority = "https://login.microsoftonline.com/"
	audience  = "https://vault.azure.net/.default"
)

// ErrCredentials: there are none, or they can't be read.
var ErrCredentials = errors.New("azurekv: credentials")

// ParseServicePrincipal reads YAML or JSON with tenantId, clientId and clientSecret,
// and optionally authorityHost, as in Flux's Secrets, and gives tokens of that
// service principal. client sends these requests; nil means http.DefaultClient.
func ParseServicePrincipal(text []byte, client *http.Client) (func(context.Context) (string, error), error) {
	var p struct {
		TenantID      string `yaml:"tenantId"`
		ClientID      string `yaml:"clientId"`
		ClientSecret  string `yaml:"clientSecret"`
		AuthorityHost string `yaml:"authorityHost"`
	}
	if err := yaml.Unmarshal(text, &p); err != nil {
		return nil, fmt.Errorf("%w: no YAML", ErrCredentials)
	}
	if !plainName.MatchString(p.TenantID) || p.ClientID == "" || p.ClientSecret == "" {
		return nil, fmt.Errorf("%w: tenantId, clientId and clientSecret are wanted", ErrCredentials)
	}
	host := p.AuthorityHost
	if host == "" {
		host = authority
	}
	address, err := url.JoinPath(host, p.TenantID, "oauth2/v2.0/token")
	if err != nil {
		return nil, fmt.Errorf("%w: authorityHost is no URL", ErrCredentials)
	}
	cfg := clientcredentials.Config{
		ClientID: p.ClientID, ClientSecret: p.ClientSecret, TokenURL: address, Scopes: []string{audience}, AuthStyle: oauth2.AuthStyleInParams,
	}
	tokens := cloud.Tokens(func(ctx context.Context) oauth2.TokenSource {
		if client != nil {
			ctx = context.WithValue(ctx, oauth2.HTTPClient, client)
		}
		return cfg.TokenSource(ctx)
	})
	return func(ctx context.Context) (string, error) {
		t, err := tokens(ctx)
		if err != nil {
			return "", fmt.Errorf("%w: the service principal is given no token", ErrCredentials)
		}
		return t, nil
	}, nil
}
