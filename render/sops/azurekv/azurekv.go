package azurekv

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gitopskit/gitopskit/render/sops"
	"github.com/gitopskit/gitopskit/render/sops/internal/cloud"
)

const (
	apiVersion = "7.4"
	algorithm  = "RSA-OAEP-256" // what SOPS uses
)

// Source is a sops.KeySource and, with Key and Version, a sops.Recipient.
type Source struct {
	// Token gives the access token of a request, for the audience
	// https://vault.azure.net; it is required.
	Token func(ctx context.Context) (string, error)
	// VaultURL is the vault for encryption, and a further one that files may
	// name besides those of Azure.
	VaultURL string
	// Key and Version of the key for encryption. Decryption takes them from the
	// file.
	Key, Version string
	// Client sends the requests. Nil means one with a timeout of 30 s.
	Client *http.Client
}

// ErrServer: the service refused or its answer can't be read.
var ErrServer = cloud.ErrServer

var plainName = regexp.MustCompile(`^[0-9A-Za-z-]+$`)

// isVault says whether a host is one of Azure's vaults.
func isVault(host string) bool {
	return slices.ContainsFunc([]string{
		".vault.azure.net", ".vault.azure.cn", ".vault.usgovcloudapi.net",
		".managedhsm.azure.net", ".managedhsm.azure.cn", ".managedhsm.usgovcloudapi.net",
	}, func(domain string) bool {
		name, ok := strings.CutSuffix(strings.ToLower(host), domain)
		return ok && plainName.MatchString(name)
	})
}

// trusts says whether the token may go to a vault.
func (s Source) trusts(vault *url.URL) bool {
	if own, err := url.Parse(s.VaultURL); err == nil && own.Host != "" && own.Scheme == vault.Scheme && strings.EqualFold(own.Host, vault.Host) {
		return true
	}
	return vault.Scheme == "https" && isVault(vault.Host)
}

type operation struct {
	Algorithm string `json:"alg,omitempty"`
	Value     string `json:"value"`
}

// OpenDataKey implements sops.KeySource. It returns sops.ErrNoKey for keys of
// other kinds and for servers that are no vaults.
func (s Source) OpenDataKey(ctx context.Context, k sops.MasterKey) ([]byte, error) {
	vault, err := url.Parse(k.Fields["vault_url"])
	if k.Kind != sops.KindAzure || err != nil || !s.trusts(vault) {
		return nil, sops.ErrNoKey
	}
	return s.call(ctx, vault, k.Fields["name"], k.Fields["version"], "decrypt", strings.TrimRight(k.Encrypted, "="))
}

// SealDataKey implements sops.Recipient.
func (s Source) SealDataKey(ctx context.Context, dataKey []byte) (sops.MasterKey, error) {
	vault, err := url.Parse(s.VaultURL)
	if err != nil || vault.Host == "" {
		return sops.MasterKey{}, fmt.Errorf("%w: set Source.VaultURL to a URL", sops.ErrKey)
	}
	sealed, err := s.call(ctx, vault, s.Key, s.Version, "encrypt", base64.RawURLEncoding.EncodeToString(dataKey))
	return sops.MasterKey{Kind: sops.KindAzure, Encrypted: base64.RawURLEncoding.EncodeToString(sealed), Fields: map[string]string{
		"vault_url": s.VaultURL, "name": s.Key, "version": s.Version, "created_at": time.Now().UTC().Format(time.RFC3339),
	}}, err
}

// call sends one request; see
// https://learn.microsoft.com/en-us/rest/api/keyvault/keys/decrypt/decrypt
func (s Source) call(ctx context.Context, vault *url.URL, key, version, verb, value string) ([]byte, error) {
	if s.Token == nil {
		return nil, fmt.Errorf("%w: set Source.Token", ErrCredentials)
	}
	if !plainName.MatchString(key) || !plainName.MatchString(version) {
		return nil, fmt.Errorf("%w: key %q, version %q of a vault", sops.ErrKey, key, version)
	}
	address := vault.Scheme + "://" + vault.Host + "/keys/" + key + "/" + version + "/" + verb + "?api-version=" + apiVersion
	var out operation
	err := cloud.Post(ctx, s.Client, address, "application/json", operation{algorithm, value}, &out, cloud.Bearer(ctx, s.Token))
	if err != nil {
		return nil, fmt.Errorf("azurekv: %s with %s at %s: %w", verb, key, vault.Host, err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(out.Value, "="))
	if err != nil {
		return nil, fmt.Errorf("azurekv: %s with %s at %s: %w: no base64", verb, key, vault.Host, ErrServer)
	}
	return raw, nil
}
