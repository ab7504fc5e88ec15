package gcs

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/gitopskit/gitopskit/source/bucket/internal/rest"
)

// readOnly is the scope of the tokens that are asked for.
const readOnly = "https://www.googleapis.com/auth/devstorage.read_only"

// serviceAccount is a key as Google gives it out.
type serviceAccount struct {
	Type     string `json:"type"`
	Email    string `json:"client_email"`
	KeyID    string `json:"private_key_id"`
	Key      string `json:"private_key"`
	TokenURI string `json:"token_uri"`

	private *rsa.PrivateKey
}

func readServiceAccount(data []byte) (*serviceAccount, error) {
	a := &serviceAccount{}
	if err := json.Unmarshal(data, a); err != nil {
		return nil, errors.New("Options.ServiceAccount is no JSON") // the text might be quoted in err
	}
	if a.Type != "service_account" || a.Email == "" {
		return nil, fmt.Errorf("Options.ServiceAccount is of the type %q, not a service_account: set Options.Token for others", a.Type)
	}
	block, _ := pem.Decode([]byte(a.Key))
	if block == nil {
		return nil, errors.New("Options.ServiceAccount has no private key in PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	private, ok := key.(*rsa.PrivateKey)
	if err != nil || !ok {
		return nil, errors.New("Options.ServiceAccount has no private RSA key")
	}
	if u, err := url.Parse(a.TokenURI); err != nil || u.Host == "" {
		return nil, errors.New("Options.ServiceAccount has no token_uri")
	}
	a.private = private
	return a, nil
}

// token asks for an access token with a signed assertion.
// https://developers.google.com/identity/protocols/oauth2/service-account#authorizingrequests
func (a *serviceAccount) token(ctx context.Context, client *http.Client) (string, time.Time, error) {
	now := time.Now()
	head, err := json.Marshal(map[string]string{"alg": "RS256", "typ": "JWT", "kid": a.KeyID})
	if err != nil {
		return "", time.Time{}, err
	}
	claims, err := json.Marshal(map[string]any{
		"iss": a.Email, "scope": readOnly, "aud": a.TokenURI, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	})
	if err != nil {
		return "", time.Time{}, err
	}
	enc := base64.RawURLEncoding
	signed := enc.EncodeToString(head) + "." + enc.EncodeToString(claims)
	sum := sha256.Sum256([]byte(signed))
	sig, err := rsa.SignPKCS1v15(rand.Reader, a.private, crypto.SHA256, sum[:])
	if err != nil {
		return "", time.Time{}, err
	}
	return rest.Token(ctx, client, a.TokenURI, url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {signed + "." + enc.EncodeToString(sig)},
	}, nil)
}

// MetadataToken returns a Token that asks Google's metadata service, which
// answers on its machines and, with workload identity, in pods. The endpoint
// empty means http://metadata.google.internal.
func MetadataToken(endpoint string) Token {
	if endpoint == "" {
		endpoint = "http://metadata.google.internal"
	}
	return func(ctx context.Context) (string, time.Time, error) {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		transport := &http.Transport{DisableKeepAlives: true} // and no proxy: it is of this machine
		return rest.Token(ctx, &http.Client{Transport: transport},
			endpoint+"/computeMetadata/v1/instance/service-accounts/default/token", nil, http.Header{"Metadata-Flavor": {"Google"}})
	}
}
