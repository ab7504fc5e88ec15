package s3

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gitopskit/gitopskit/internal/httpclient"
	"github.com/gitopskit/gitopskit/source"
)

// STSOptions describes a token service that gives out keys for a time: AWS STS,
// or that of another store.
type STSOptions struct {
	// Endpoint is the service's URL, such as
	// https://sts.eu-west-1.amazonaws.com. Required.
	Endpoint string
	// Duration is how long the keys should be good. Zero leaves it to the
	// service.
	Duration time.Duration
	// CA is PEM of certificates that are trusted beside the system's.
	CA []byte
	// ClientCert and ClientKey are PEM of what the client shows.
	ClientCert, ClientKey []byte
	// ProxyURL is http, https or socks5, instead of the environment's.
	ProxyURL string
	// ProxyUsername and ProxyPassword are optional.
	ProxyUsername, ProxyPassword string
}

// WebIdentityOptions says which role is assumed by whom.
type WebIdentityOptions struct {
	// RoleARN is the role. AWS requires it.
	RoleARN string
	// SessionName is how the service's log calls the session. Empty means
	// "gitopskit".
	SessionName string
	// Token returns a token of OpenID Connect that proves who asks. Required.
	// TokenFile reads one from a file.
	Token func(ctx context.Context) (string, error)
}

// TokenFile returns a Token that reads the file each time, as tokens of service
// accounts are renewed in place. In pods with a role of AWS the file is named by
// AWS_WEB_IDENTITY_TOKEN_FILE, and the role by AWS_ROLE_ARN.
func TokenFile(name string) func(ctx context.Context) (string, error) {
	return func(context.Context) (string, error) {
		data, err := os.ReadFile(name)
		return strings.TrimSpace(string(data)), err
	}
}

// WebIdentity returns Credentials that assume a role with a token
// (AssumeRoleWithWebIdentity).
func WebIdentity(opts STSOptions, who WebIdentityOptions) (Credentials, error) {
	if who.Token == nil {
		return nil, invalidSTS(errors.New("set WebIdentityOptions.Token"))
	}
	if who.SessionName == "" {
		who.SessionName = "gitopskit"
	}
	return newSTS(opts, func(ctx context.Context) (url.Values, error) {
		token, err := who.Token(ctx)
		if err != nil {
			return nil, err
		}
		form := url.Values{"Action": {"AssumeRoleWithWebIdentity"}, "WebIdentityToken": {token}}
		if who.RoleARN != "" {
			form.Set("RoleArn", who.RoleARN)
			form.Set("RoleSessionName", who.SessionName)
		}
		return form, nil
	})
}

// LDAPIdentity returns Credentials that MinIO's token service gives for a user of
// LDAP (AssumeRoleWithLDAPIdentity).
func LDAPIdentity(opts STSOptions, username, password string) (Credentials, error) {
	if username == "" || password == "" {
		return nil, invalidSTS(errors.New("give a user name and a password"))
	}
	return newSTS(opts, func(context.Context) (url.Values, error) {
		return url.Values{"Action": {"AssumeRoleWithLDAPIdentity"}, "LDAPUsername": {username}, "LDAPPassword": {password}}, nil
	})
}

func invalidSTS(err error) error {
	return &source.Error{Op: "open token service", Err: fmt.Errorf("%w: %w", source.ErrInvalid, err)}
}

func newSTS(opts STSOptions, form func(context.Context) (url.Values, error)) (Credentials, error) {
	u, err := url.Parse(opts.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, invalidSTS(errors.New("STSOptions.Endpoint must be like https://sts.eu-west-1.amazonaws.com"))
	}
	transport, err := httpclient.New(httpclient.Options{
		CA: opts.CA, ClientCert: opts.ClientCert, ClientKey: opts.ClientKey,
		ProxyURL: opts.ProxyURL, ProxyUsername: opts.ProxyUsername, ProxyPassword: opts.ProxyPassword,
	})
	if err != nil {
		return nil, invalidSTS(err)
	}
	transport.DisableKeepAlives = true // the next request is in an hour
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return func(ctx context.Context) (Keys, error) {
		values, err := form(ctx)
		if err != nil {
			return Keys{}, err
		}
		values.Set("Version", "2011-06-15")
		if opts.Duration > 0 {
			values.Set("DurationSeconds", strconv.Itoa(int(opts.Duration.Seconds())))
		}
		return assume(ctx, client, u, values)
	}, nil
}

const maxSTSAnswer = 1 << 20

// assume posts the form, which holds secrets: no error may show it.
func assume(ctx context.Context, client *http.Client, u *url.URL, form url.Values) (Keys, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return Keys{}, errors.New("the URL of the token service cannot be read")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("User-Agent", "gitopskit")
	res, err := client.Do(req)
	if err != nil {
		return Keys{}, fmt.Errorf("token service: %w", err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxSTSAnswer))
	if err != nil {
		return Keys{}, fmt.Errorf("token service: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return Keys{}, fmt.Errorf("the token service at %s answers HTTP %d: %s", u.Host, res.StatusCode, stsError(data))
	}
	return readKeys(data)
}

// readKeys finds the element Credentials, which is in an element that the action
// names.
func readKeys(data []byte) (Keys, error) {
	dec := xml.NewDecoder(bytes.NewReader(data))
	for {
		token, err := dec.Token()
		if err != nil {
			return Keys{}, errors.New("the answer of the token service holds no credentials")
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "Credentials" {
			continue
		}
		var c struct {
			AccessKey string    `xml:"AccessKeyId"`
			SecretKey string    `xml:"SecretAccessKey"`
			Session   string    `xml:"SessionToken"`
			Expires   time.Time `xml:"Expiration"`
		}
		if err := dec.DecodeElement(&c, &start); err != nil || c.AccessKey == "" || c.SecretKey == "" {
			return Keys{}, errors.New("the answer of the token service holds no credentials")
		}
		return Keys{AccessKey: c.AccessKey, SecretKey: c.SecretKey, SessionToken: c.Session, Expires: c.Expires}, nil
	}
}

func stsError(data []byte) string {
	var e struct {
		Error struct {
			Code    string `xml:"Code"`
			Message string `xml:"Message"`
		} `xml:"Error"`
	}
	if xml.Unmarshal(data, &e) != nil {
		return ""
	}
	return e.Error.Code + ": " + e.Error.Message
}
