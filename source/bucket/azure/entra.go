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
	scope     string
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
	if a.scope == "" {
		a.scope = Scope
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
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {a.ClientID}, "scope": {a.scope}}
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

// WorkloadIdentity trades a Kubernetes token for one of Entra; its method Token is
// a Token.
type WorkloadIdentity struct {
	// TenantID and ClientID name the application; in pods of AKS they are in
	// AZURE_TENANT_ID and AZURE_CLIENT_ID. Required.
	TenantID, ClientID string
	// TokenFile is read each time; in pods of AKS it is named by
	// AZURE_FEDERATED_TOKEN_FILE. Required.
	TokenFile string
	// AuthorityHost is Entra's URL. Empty means
	// https://login.microsoftonline.com.
	AuthorityHost string
	// Scope is what the token is for. Empty means Scope, that of storage.
	Scope string
}

// Token asks Entra for a token.
func (w WorkloadIdentity) Token(ctx context.Context) (token string, expires time.Time, err error) {
	app, err := Application{
		TenantID: w.TenantID, ClientID: w.ClientID, AuthorityHost: w.AuthorityHost, scope: w.Scope,
		assertion: func() (string, error) {
			data, err := os.ReadFile(w.TokenFile)
			return strings.TrimSpace(string(data)), err
		},
	}.ready()
	if err != nil {
		return "", time.Time{}, err
	}
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}
	return app.token(ctx, client)
}

// ManagedIdentity is that of the machine; its method Token is a Token.
type ManagedIdentity struct {
	// ClientID names one of several identities; may be empty.
	ClientID string
	// Endpoint is the metadata service's URL. Empty means
	// http://169.254.169.254.
	Endpoint string
	// Scope is what the token is for. Empty means Scope, that of storage.
	Scope string
}

// Token asks the metadata service for a token.
func (m ManagedIdentity) Token(ctx context.Context) (token string, expires time.Time, err error) {
	if m.Endpoint == "" {
		m.Endpoint = "http://169.254.169.254"
	}
	if m.Scope == "" {
		m.Scope = Scope
	}
	query := url.Values{"api-version": {"2018-02-01"}, "resource": {strings.TrimSuffix(m.Scope, ".default")}}
	if m.ClientID != "" {
		query.Set("client_id", m.ClientID)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	transport := &http.Transport{DisableKeepAlives: true} // and no proxy: it is of this machine
	return rest.Token(ctx, &http.Client{Transport: transport},
		m.Endpoint+"/metadata/identity/oauth2/token?"+query.Encode(), nil, http.Header{"Metadata": {"true"}})
}
