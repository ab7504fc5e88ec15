package s3_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/bucket/s3"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sts answers as AWS STS and MinIO's token service are documented.
func sts(t testing.TB) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		action := r.PostFormValue("Action")
		ok := r.Method == http.MethodPost && r.URL.RawQuery == "" && r.PostFormValue("Version") == "2011-06-15"
		switch action {
		case "AssumeRoleWithWebIdentity":
			ok = ok && r.PostFormValue("WebIdentityToken") == "t0ken" && r.PostFormValue("RoleArn") == "arn:aws:iam::1:role/r" &&
				r.PostFormValue("RoleSessionName") == "gitopskit" && r.PostFormValue("DurationSeconds") == "1800"
		case "AssumeRoleWithLDAPIdentity":
			ok = ok && r.PostFormValue("LDAPUsername") == "ann" && r.PostFormValue("LDAPPassword") == "s3cret"
		}
		if !ok {
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>Not authorized</Message></Error><RequestId>1</RequestId></ErrorResponse>`))
			return
		}
		_, _ = fmt.Fprintf(w, `<%[1]sResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><%[1]sResult><Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>session</SessionToken><Expiration>2030-01-02T03:04:05Z</Expiration></Credentials></%[1]sResult></%[1]sResponse>`, action)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestKeysOfATokenService(t *testing.T) {
	t.Parallel()
	url := sts(t)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("t0ken\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	web, err := s3.WebIdentity(s3.STSOptions{Endpoint: url, Duration: 30 * time.Minute}, s3.WebIdentityOptions{RoleARN: "arn:aws:iam::1:role/r", Token: s3.TokenFile(file)})
	if err != nil {
		t.Fatal(err)
	}
	ldap, err := s3.LDAPIdentity(s3.STSOptions{Endpoint: url}, "ann", "s3cret")
	if err != nil {
		t.Fatal(err)
	}
	want := s3.Keys{AccessKey: "ASIA", SecretKey: "secret", SessionToken: "session", Expires: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)}
	for name, ask := range map[string]s3.Credentials{"web identity": web, "LDAP": ldap} {
		if got, err := ask(t.Context()); got != want || err != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestATokenServiceThatRefuses(t *testing.T) {
	t.Parallel()
	url := sts(t)
	wrong, err := s3.LDAPIdentity(s3.STSOptions{Endpoint: url}, "ann", "wr0ng")
	if err != nil {
		t.Fatal(err)
	}
	gone, err := s3.LDAPIdentity(s3.STSOptions{Endpoint: "http://127.0.0.1:1"}, "ann", "wr0ng")
	if err != nil {
		t.Fatal(err)
	}
	missing, err := s3.WebIdentity(s3.STSOptions{Endpoint: url}, s3.WebIdentityOptions{Token: s3.TokenFile(filepath.Join(t.TempDir(), "none"))})
	if err != nil {
		t.Fatal(err)
	}
	for says, ask := range map[string]s3.Credentials{"AccessDenied: Not authorized": wrong, "refused": gone, "no such file": missing} {
		// A bucket that needs them says so.
		p, err := s3.New(s3.Options{Endpoint: "127.0.0.1:1", Region: "eu-west-1", Bucket: "apps", Insecure: true, Credentials: ask})
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = p.Get(t.Context(), "key")
		_ = p.Close()
		if !errors.Is(err, source.ErrAuth) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "wr0ng") {
			t.Errorf("%s: %v", says, err)
		}
	}
}

func TestTokenServicesThatMakeNoSense(t *testing.T) {
	t.Parallel()
	token := s3.TokenFile("x")
	for name, try := range map[string]func() (s3.Credentials, error){
		"no endpoint": func() (s3.Credentials, error) {
			return s3.WebIdentity(s3.STSOptions{}, s3.WebIdentityOptions{Token: token})
		},
		"no URL": func() (s3.Credentials, error) {
			return s3.LDAPIdentity(s3.STSOptions{Endpoint: "sts.amazonaws.com"}, "a", "b")
		},
		"no token": func() (s3.Credentials, error) {
			return s3.WebIdentity(s3.STSOptions{Endpoint: "https://x.test"}, s3.WebIdentityOptions{})
		},
		"no password": func() (s3.Credentials, error) {
			return s3.LDAPIdentity(s3.STSOptions{Endpoint: "https://x.test"}, "a", "")
		},
		"CA no PEM": func() (s3.Credentials, error) {
			return s3.LDAPIdentity(s3.STSOptions{Endpoint: "https://x.test", CA: []byte("x")}, "a", "b")
		},
	} {
		if _, err := try(); !errors.Is(err, source.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
