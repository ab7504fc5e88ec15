package azure

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/gitopskit/gitopskit/source/bucket/internal/rest"
)

// Application is one that is registered with Microsoft Entra. Its String shows
// none of the secrets.
type Application struct {
	// TenantID and ClientID name it. Required.
	TenantID, ClientID string
	// ClientSecret is its password, or
	ClientSecret string
	// ClientCertificate is PEM of a certificate with its private RSA key.
	ClientCertificate []byte
	// AuthorityHost is Entra's URL. Empty means
	// https://login.microsoftonline.com.
	AuthorityHost string

	pair      *tls.Certificate
	assertion func() (string, error)
}

// String implements fmt.Stringer without secrets.
func (a Application) String() string {
	return "azure.Application{" + a.TenantID + "/" + a.ClientID + "}"
}

// GoString is String.
func (a Application) GoString() string { return a.String() }

func (a Application) set() bool {
	return a.TenantID != "" || a.ClientID != "" || a.ClientSecret != "" || len(a.ClientCertificate) > 0
}

const defaultAuthority = "https://login.microsoftonline.com"

func (a Application) ready() (Application, error) {
	switch {
	case a.TenantID == "" || a.ClientID == "" || strings.ContainsAny(a.TenantID, "/?#"):
		return a, errors.New("set Application.TenantID and ClientID")
	case a.ClientSecret == "" && len(a.ClientCertificate) == 0 && a.assertion == nil:
		return a, errors.New("set Application.ClientSecret or ClientCertificate")
	}
	if a.AuthorityHost == "" {
		a.AuthorityHost = defaultAuthority
	}
	if len(a.ClientCertificate) > 0 {
		pair, err := tls.X509KeyPair(a.ClientCertificate, a.ClientCertificate)
		if err != nil {
			return a, fmt.Errorf("Application.ClientCertificate: %w", err)
		}
		if _, ok := pair.PrivateKey.(*rsa.PrivateKey); !ok {
			return a, errors.New("Application.ClientCertificate has no private RSA key")
		}
		a.pair = &pair
	}
	return a, nil
}

// token asks for an access token.
// https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
func (a Application) token(ctx context.Context, client *http.Client) (string, time.Time, error) {
	at := strings.TrimSuffix(a.AuthorityHost, "/") + "/" + a.TenantID + "/oauth2/v2.0/token"
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {a.ClientID}, "scope": {Scope}}
	assertion, err := "", error(nil)
	switch {
	case a.assertion != nil:
		assertion, err = a.assertion()
	case a.pair != nil:
		assertion, err = a.signed(at)
	default:
		form.Set("client_secret", a.ClientSecret)
	}
	if err != nil {
		return "", time.Time{}, err
	}
	if assertion != "" {
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
	}
	return rest.Token(ctx, client, at, form, nil)
}

// signed is the certificate's word for who asks.
// https://learn.microsoft.com/entra/identity-platform/certificate-credentials
func (a Application) signed(audience string) (string, error) {
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	thumb := sha256.Sum256(a.pair.Certificate[0])
	enc := base64.RawURLEncoding
	head, err := json.Marshal(map[string]string{"alg": "PS256", "typ": "JWT", "x5t#S256": enc.EncodeToString(thumb[:])})
	if err != nil {
		return "", err
	}
	now := time.Now()
	claims, err := json.Marshal(map[string]any{
		"aud": audience, "iss": a.ClientID, "sub": a.ClientID, "jti": enc.EncodeToString(id),
		"nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(10 * time.Minute).Unix(),
	})
	if err != nil {
		return "", err
	}
	text := enc.EncodeToString(head) + "." + enc.EncodeToString(claims)
	sum := sha256.Sum256([]byte(text))
	key, _ := a.pair.PrivateKey.(*rsa.PrivateKey)
	sig, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	return text + "." + enc.EncodeToString(sig), err
}

// WorkloadIdentityToken returns a Token that trades a Kubernetes token for one of
// Entra. The file, whose content is read each time, is what AKS names in
// AZURE_FEDERATED_TOKEN_FILE; tenant and client are in AZURE_TENANT_ID and
// AZURE_CLIENT_ID, and authorityHost, which may be empty, in
// AZURE_AUTHORITY_HOST.
func WorkloadIdentityToken(tenantID, clientID, tokenFile, authorityHost string) Token {
	return func(ctx context.Context) (string, time.Time, error) {
		app, err := Application{
			TenantID: tenantID, ClientID: clientID, AuthorityHost: authorityHost,
			assertion: func() (string, error) {
				data, err := os.ReadFile(tokenFile)
				return strings.TrimSpace(string(data)), err
			},
		}.ready()
		if err != nil {
			return "", time.Time{}, err
		}
		client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}
		return app.token(ctx, client)
	}
}

// ManagedIdentityToken returns a Token that asks the metadata service of the
// machine. clientID names one of several identities and may be empty; the
// endpoint empty means http://169.254.169.254.
func ManagedIdentityToken(clientID, endpoint string) Token {
	if endpoint == "" {
		endpoint = "http://169.254.169.254"
	}
	query := url.Values{"api-version": {"2018-02-01"}, "resource": {strings.TrimSuffix(Scope, ".default")}}
	if clientID != "" {
		query.Set("client_id", clientID)
	}
	return func(ctx context.Context) (string, time.Time, error) {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		transport := &http.Transport{DisableKeepAlives: true} // and no proxy: it is of this machine
		return rest.Token(ctx, &http.Client{Transport: transport},
			endpoint+"/metadata/identity/oauth2/token?"+query.Encode(), nil, http.Header{"Metadata": {"true"}})
	}
}
