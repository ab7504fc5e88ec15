package git

import (
	"fmt"
	"log/slog"

	"golang.org/x/crypto/ssh"
)

// Auth holds credentials and trust for one server. Its String, GoString and
// LogValue show none of the secrets.
type Auth struct {
	// Username and Password are for HTTP basic authentication; a token goes
	// into Password.
	Username, Password string
	// BearerToken is for HTTP; it excludes Username and Password.
	BearerToken string

	// GitHubApp makes short-lived tokens for HTTPS; it excludes Username,
	// Password and BearerToken.
	GitHubApp *App

	// CA is PEM of certificates that are trusted beside the system's.
	CA []byte
	// ClientCert and ClientKey are PEM of what the client shows.
	ClientCert, ClientKey []byte

	// Identity is a private key in PEM or OpenSSH's format. Required for SSH.
	Identity []byte
	// Passphrase decrypts Identity.
	Passphrase string
	// KnownHosts holds the trusted host keys in the format of OpenSSH's
	// known_hosts: names, wildcards, hashed names, [host]:port,
	// @cert-authority and @revoked. Required for SSH.
	KnownHosts []byte
}

// String implements fmt.Stringer without secrets.
func (a Auth) String() string {
	switch {
	case a.GitHubApp != nil:
		return a.GitHubApp.String()
	case a.BearerToken != "":
		return "bearer token"
	case a.Username != "" || a.Password != "":
		return fmt.Sprintf("user %q", a.Username)
	case len(a.Identity) > 0:
		return "SSH key"
	case len(a.ClientCert) > 0:
		return "client certificate"
	}
	return "no credentials"
}

// GoString implements fmt.GoStringer without secrets.
func (a Auth) GoString() string { return "git.Auth{" + a.String() + "}" }

// LogValue implements slog.LogValuer without secrets.
func (a Auth) LogValue() slog.Value { return slog.StringValue(a.String()) }

// AuthFromSecret reads the data of a Kubernetes Secret with the keys that Flux
// knows: username, password, bearerToken, ca.crt or caFile, tls.crt or
// certFile, tls.key or keyFile, identity and known_hosts, and githubAppID,
// githubAppInstallationID or githubAppInstallationOwner, githubAppPrivateKey
// and githubAppBaseURL. For SSH (an identity is there) password is the
// identity's passphrase.
func AuthFromSecret(data map[string][]byte) Auth {
	first := func(keys ...string) []byte {
		for _, k := range keys {
			if len(data[k]) > 0 {
				return data[k]
			}
		}
		return nil
	}
	a := Auth{
		Username:    string(data["username"]),
		Password:    string(data["password"]),
		BearerToken: string(data["bearerToken"]),
		CA:          first("ca.crt", "caFile"),
		ClientCert:  first("tls.crt", "certFile"),
		ClientKey:   first("tls.key", "keyFile"),
		Identity:    data["identity"],
		KnownHosts:  data["known_hosts"],
		GitHubApp:   gitHubAppFromSecret(data),
	}
	if len(a.Identity) > 0 {
		a.Username, a.Passphrase, a.Password = "", a.Password, ""
	}
	return a
}

// check returns what is missing or contradictory for the scheme.
func (a Auth) check(e endpoint) error {
	if e.scheme == "ssh" {
		switch {
		case len(a.Identity) == 0:
			return invalidf("SSH wants a private key: set Auth.Identity (key \"identity\" of the Secret)")
		case len(a.KnownHosts) == 0:
			return invalidf("SSH wants the server's host keys: set Auth.KnownHosts (key \"known_hosts\" of the Secret, made by ssh-keyscan)")
		}
		if _, err := a.signer(); err != nil {
			return err
		}
		_, err := parseKnownHosts(a.KnownHosts)
		return err
	}
	if a.BearerToken != "" && (a.Username != "" || a.Password != "") {
		return invalidf("Auth has a BearerToken and a Username or Password: give one of the two kinds")
	}
	if a.GitHubApp != nil {
		if a.BearerToken != "" || a.Username != "" || a.Password != "" {
			return invalidf("Auth has a GitHubApp and a password or token: give one of the two kinds")
		}
		if _, err := a.GitHubApp.check(); err != nil {
			return err
		}
	}
	_, err := a.transport(Proxy{})
	return err
}

func (a Auth) signer() (ssh.Signer, error) {
	signer, err := ssh.ParsePrivateKey(a.Identity)
	if _, missing := err.(*ssh.PassphraseMissingError); missing { //nolint:errorlint // returned unwrapped
		if a.Passphrase == "" {
			return nil, invalidf("the SSH private key is encrypted: set Auth.Passphrase (key \"password\" of the Secret)")
		}
		signer, err = ssh.ParsePrivateKeyWithPassphrase(a.Identity, []byte(a.Passphrase))
	}
	if err != nil {
		return nil, invalidf("the SSH private key cannot be read: %v", err)
	}
	return signer, nil
}
