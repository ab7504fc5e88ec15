package git

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"
)

// App names an installation of a GitHub App and holds the app's key. From
// it come tokens that are good for an hour, for what the installation may see;
// they are shared by all sources with the same app, and made anew before they
// expire. Its String, GoString and LogValue do not show the key.
type App struct {
	// ID is the app's id, or its client id. Required.
	ID string
	// InstallationID is the number of the installation. It or Owner is
	// required.
	InstallationID string
	// Owner is the organization or user where the app is installed; its
	// installation is looked up.
	Owner string
	// PrivateKey is the app's RSA key in PEM. Required.
	PrivateKey []byte
	// APIURL is GitHub's REST API: https://api.github.com if empty, and
	// https://host/api/v3 for GitHub Enterprise Server. Auth.CA and
	// Options.Proxy hold for it too.
	APIURL string
}

const gitHubAPI = "https://api.github.com"

// String implements fmt.Stringer without the key.
func (g App) String() string { return fmt.Sprintf("GitHub App %q", g.ID) }

// GoString implements fmt.GoStringer without the key.
func (g App) GoString() string { return "git.App{" + g.String() + "}" }

// LogValue implements slog.LogValuer without the key.
func (g App) LogValue() slog.Value { return slog.StringValue(g.String()) }

// gitHubAppFromSecret returns nil if no key of the Secret is about an app.
func gitHubAppFromSecret(data map[string][]byte) *App {
	text := func(key string) string { return strings.TrimSpace(string(data[key])) }
	g := App{
		ID: text("githubAppID"), InstallationID: text("githubAppInstallationID"), Owner: text("githubAppInstallationOwner"),
		PrivateKey: data["githubAppPrivateKey"], APIURL: text("githubAppBaseURL"),
	}
	if g.ID == "" && g.InstallationID == "" && g.Owner == "" && len(g.PrivateKey) == 0 {
		return nil
	}
	return &g
}

// check returns the app's key, or what is missing or contradictory.
func (g App) check() (*rsa.PrivateKey, error) {
	switch {
	case g.ID == "":
		return nil, invalidf("set GitHubApp.ID (key \"githubAppID\" of the Secret)")
	case g.InstallationID == "" && g.Owner == "":
		return nil, invalidf("set GitHubApp.InstallationID or GitHubApp.Owner (key \"githubAppInstallationID\" or \"githubAppInstallationOwner\" of the Secret)")
	case g.InstallationID != "" && g.Owner != "":
		return nil, invalidf("GitHubApp has an InstallationID and an Owner: give one of the two")
	case strings.Trim(g.InstallationID, "0123456789") != "":
		return nil, invalidf("GitHubApp.InstallationID must be a number, not %q", g.InstallationID)
	case len(g.PrivateKey) == 0:
		return nil, invalidf("set GitHubApp.PrivateKey (key \"githubAppPrivateKey\" of the Secret)")
	}
	if _, err := g.api(); err != nil {
		return nil, err
	}
	return parseRSAKey(g.PrivateKey)
}

// parseRSAKey reads the form that GitHub gives out (PKCS #1), and PKCS #8.
func parseRSAKey(data []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, invalidf("GitHubApp.PrivateKey is no PEM")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	any, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, invalidf("GitHubApp.PrivateKey holds no RSA key")
	}
	key, ok := any.(*rsa.PrivateKey)
	if !ok {
		return nil, invalidf("GitHubApp.PrivateKey holds a key of another kind than RSA")
	}
	return key, nil
}

// api returns the URL that the paths of the API are joined to.
func (g App) api() (*url.URL, error) {
	raw := g.APIURL
	if raw == "" {
		raw = gitHubAPI
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, invalidf("GitHubApp.APIURL must be like https://host/api/v3, without user, query or fragment")
	}
	return u, nil
}

// The times of an assertion: it begins in the past because clocks differ, and
// GitHub allows it ten minutes at most.
const (
	assertionBack = 30 * time.Second
	assertionLife = 2 * time.Minute
)

// assertion is what proves the app to GitHub: a JSON Web Token signed by its
// key with RS256 (RFC 7519, RFC 7518).
func (g App) assertion(key *rsa.PrivateKey, now time.Time) (string, error) {
	issued := now.Add(-assertionBack).Unix()
	claims, err := json.Marshal(struct {
		Issued  int64  `json:"iat"`
		Expires int64  `json:"exp"`
		Issuer  string `json:"iss"`
	}{issued, issued + int64(assertionLife/time.Second), g.ID})
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode(claims)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("signing with GitHubApp.PrivateKey: %w", err)
	}
	return text + "." + encode(sig), nil
}
