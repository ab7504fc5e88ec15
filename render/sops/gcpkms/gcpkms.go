package gcpkms

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/jwt"

	"github.com/gitopskit/gitopskit/render/sops"
	"github.com/gitopskit/gitopskit/render/sops/internal/cloud"
)

const (
	endpoint = "https://cloudkms.googleapis.com"
	scope    = "https://www.googleapis.com/auth/cloudkms"
)

// Source is a sops.KeySource and, with ResourceID, a sops.Recipient.
type Source struct {
	// Token gives the access token of a request; it is required.
	Token func(ctx context.Context) (string, error)
	// Endpoint is the service's URL. Empty means Google's.
	Endpoint string
	// ResourceID of the key for encryption:
	// projects/P/locations/L/keyRings/R/cryptoKeys/K. Decryption takes it from
	// the file.
	ResourceID string
	// Client sends the requests. Nil means one with a timeout of 30 s.
	Client *http.Client
}

// ErrServer: the service refused or its answer can't be read.
var ErrServer = cloud.ErrServer

// ErrCredentials: there are none, or they can't be read.
var ErrCredentials = errors.New("gcpkms: credentials")

// ServiceAccount gives tokens of a service account by its key file, and asks for
// another when one expires. client sends these requests; nil means
// http.DefaultClient.
func ServiceAccount(keyFile []byte, client *http.Client) (func(context.Context) (string, error), error) {
	var key struct {
		Type       string `json:"type"`
		Email      string `json:"client_email"`
		PrivateKey string `json:"private_key"`
		KeyID      string `json:"private_key_id"`
		TokenURI   string `json:"token_uri"`
	}
	err := json.Unmarshal(keyFile, &key)
	if err != nil || key.Type != "service_account" || key.Email == "" || key.PrivateKey == "" || key.TokenURI == "" {
		return nil, fmt.Errorf("%w: want the key file of a service account", ErrCredentials)
	}
	cfg := &jwt.Config{
		Email: key.Email, PrivateKey: []byte(key.PrivateKey), PrivateKeyID: key.KeyID, TokenURL: key.TokenURI, Scopes: []string{scope},
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
			return "", fmt.Errorf("%w: the service account is given no token", ErrCredentials)
		}
		return t, nil
	}, nil
}

var resourceForm = regexp.MustCompile(`^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$`)

// OpenDataKey implements sops.KeySource. It returns sops.ErrNoKey for keys of
// other kinds.
func (s Source) OpenDataKey(ctx context.Context, k sops.MasterKey) ([]byte, error) {
	if k.Kind != sops.KindGCP {
		return nil, sops.ErrNoKey
	}
	sealed, err := base64.StdEncoding.DecodeString(k.Encrypted)
	if err != nil {
		return nil, fmt.Errorf("%w: the data key for %s", sops.ErrFormat, k.ID())
	}
	in := struct {
		Ciphertext []byte `json:"ciphertext"`
		Checksum   string `json:"ciphertextCrc32c"`
	}{sealed, checksum(sealed)}
	var out struct {
		Plaintext []byte `json:"plaintext"`
		Checksum  string `json:"plaintextCrc32c"`
	}
	if err := s.call(ctx, k.Fields["resource_id"], "decrypt", in, &out); err != nil {
		return nil, err
	}
	if out.Checksum != "" && out.Checksum != checksum(out.Plaintext) {
		return nil, fmt.Errorf("gcpkms: decrypt with %s: %w: the checksum differs", k.Fields["resource_id"], ErrServer)
	}
	return out.Plaintext, nil
}

// SealDataKey implements sops.Recipient.
func (s Source) SealDataKey(ctx context.Context, dataKey []byte) (sops.MasterKey, error) {
	in := struct {
		Plaintext []byte `json:"plaintext"`
		Checksum  string `json:"plaintextCrc32c"`
	}{dataKey, checksum(dataKey)}
	var out struct {
		Ciphertext []byte `json:"ciphertext"`
		Checksum   string `json:"ciphertextCrc32c"`
	}
	if err := s.call(ctx, s.ResourceID, "encrypt", in, &out); err != nil {
		return sops.MasterKey{}, err
	}
	if out.Checksum != "" && out.Checksum != checksum(out.Ciphertext) {
		return sops.MasterKey{}, fmt.Errorf("gcpkms: encrypt with %s: %w: the checksum differs", s.ResourceID, ErrServer)
	}
	return sops.MasterKey{Kind: sops.KindGCP, Encrypted: base64.StdEncoding.EncodeToString(out.Ciphertext), Fields: map[string]string{
		"resource_id": s.ResourceID, "created_at": time.Now().UTC().Format(time.RFC3339),
	}}, nil
}

// checksum is CRC-32C as the service writes it, a number as text.
func checksum(b []byte) string {
	return strconv.FormatUint(uint64(crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))), 10)
}

// call sends one request; see
// https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys/decrypt
func (s Source) call(ctx context.Context, resource, verb string, in, out any) error {
	if s.Token == nil {
		return fmt.Errorf("%w: set Source.Token", ErrCredentials)
	}
	if !resourceForm.MatchString(resource) {
		return fmt.Errorf("%w: %q is no resource ID of a key", sops.ErrKey, resource)
	}
	base := s.Endpoint
	if base == "" {
		base = endpoint
	}
	parts := strings.Split(resource, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	address := strings.TrimSuffix(base, "/") + "/v1/" + strings.Join(parts, "/") + ":" + verb
	if err := cloud.Post(ctx, s.Client, address, "application/json", in, out, cloud.Bearer(ctx, s.Token)); err != nil {
		return fmt.Errorf("gcpkms: %s with %s: %w", verb, resource, err)
	}
	return nil
}
