package aws_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/aws"
	"github.com/gitopskit/gitopskit/source/bucket/s3"
	"github.com/gitopskit/gitopskit/source/oci"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cloud answers as AWS STS and ECR are documented.
type cloud struct {
	url       string
	sts, ecr  atomic.Int32
	expires   time.Time
	client    *http.Client
	lastScope atomic.Value
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	// Nothing of the machine that runs the test counts.
	for _, name := range []string{"AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CA_BUNDLE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	c := &cloud{expires: time.Now().Add(time.Hour)}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Amz-Target") != "" {
			c.registry(w, r)
			return
		}
		c.assume(w, r)
	}))
	transport := &http.Transport{}
	c.url, c.client = srv.URL, &http.Client{Transport: transport}
	t.Cleanup(func() { transport.CloseIdleConnections(); srv.Close() })
	return c
}

func (c *cloud) assume(w http.ResponseWriter, r *http.Request) {
	c.sts.Add(1)
	action := r.PostFormValue("Action")
	ok := r.PostFormValue("RoleArn") == "arn:aws:iam::123456789012:role/deployer" && r.PostFormValue("RoleSessionName") == "gitopskit"
	switch action {
	case "AssumeRoleWithWebIdentity":
		ok = ok && r.PostFormValue("WebIdentityToken") == "t0ken" && r.Header.Get("Authorization") == ""
	case "AssumeRole":
		ok = ok && strings.Contains(r.Header.Get("Authorization"), "Credential=AKIA/")
	}
	w.Header().Set("Content-Type", "text/xml")
	if !ok {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>Not authorized to perform sts</Message></Error><RequestId>1</RequestId></ErrorResponse>`))
		return
	}
	_, _ = fmt.Fprintf(w, `<%[1]sResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><%[1]sResult><Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>session</SessionToken><Expiration>%[2]s</Expiration></Credentials></%[1]sResult></%[1]sResponse>`,
		action, c.expires.UTC().Format(time.RFC3339))
}

func (c *cloud) registry(w http.ResponseWriter, r *http.Request) {
	c.ecr.Add(1)
	c.lastScope.Store(r.Header.Get("Authorization"))
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if r.Header.Get("X-Amz-Target") != "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken" || r.Header.Get("X-Amz-Security-Token") != "session" ||
		!strings.Contains(r.Header.Get("Authorization"), "Credential=ASIA/") {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"__type":"AccessDeniedException","message":"no"}`))
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"authorizationData": []any{map[string]any{
		"authorizationToken": base64.StdEncoding.EncodeToString([]byte("AWS:passw0rd")), "expiresAt": float64(time.Now().Add(12 * time.Hour).Unix()),
	}}})
}

func (c *cloud) identity(t *testing.T, change func(*aws.Options)) *aws.Identity {
	t.Helper()
	o := aws.Options{
		Region: "eu-west-1", RoleARN: "arn:aws:iam::123456789012:role/deployer", STSEndpoint: c.url, ECREndpoint: c.url, HTTPClient: c.client,
		WebIdentityToken: func(context.Context) (string, error) { return "t0ken", nil },
	}
	if change != nil {
		change(&o)
	}
	i, err := aws.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// Both fit where they are plugged in.
var (
	_ s3.Credentials  = (*aws.Identity)(nil).Keys
	_ oci.Credentials = (*aws.Identity)(nil).Registry
)

func TestARoleIsAssumed(t *testing.T) {
	c := newCloud(t)
	for name, change := range map[string]func(*aws.Options){
		"with a web identity": nil,
		"with keys":           func(o *aws.Options) { o.WebIdentityToken, o.AccessKey, o.SecretKey = nil, "AKIA", "s3cret" },
	} {
		c.sts.Store(0)
		i := c.identity(t, change)
		for range 2 {
			k, err := i.Keys(t.Context())
			if err != nil || k.AccessKey != "ASIA" || k.SecretKey != "secret" || k.SessionToken != "session" || k.Expires.Unix() != c.expires.Unix() {
				t.Errorf("%s: %+v, %v", name, k, err)
			}
		}
		if n := c.sts.Load(); n != 1 {
			t.Errorf("%s: %d requests for one token", name, n)
		}
	}
}

func TestKeysOfTheEnvironment(t *testing.T) {
	c := newCloud(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIA")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
	i := c.identity(t, func(o *aws.Options) { o.RoleARN, o.WebIdentityToken = "", nil })
	k, err := i.Keys(t.Context())
	if err != nil || k.AccessKey != "AKIA" || k.SecretKey != "s3cret" || !k.Expires.IsZero() {
		t.Errorf("%+v, %v", k, err)
	}
}

func TestPasswordsForRegistries(t *testing.T) {
	c := newCloud(t)
	i := c.identity(t, nil)
	for range 2 {
		user, password, err := i.Registry(t.Context(), "123456789012.dkr.ecr.us-east-2.amazonaws.com/org/app")
		if user != "AWS" || password != "passw0rd" || err != nil {
			t.Fatal(user, password, err)
		}
	}
	if n := c.ecr.Load(); n != 1 {
		t.Errorf("%d requests for one password", n)
	}
	if scope, _ := c.lastScope.Load().(string); !strings.Contains(scope, "/us-east-2/ecr/") {
		t.Errorf("another region was asked: %s", scope)
	}
	for _, host := range []string{
		"ghcr.io", "public.ecr.aws", "123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.test", "evil.test/123456789012.dkr.ecr.eu-west-1.amazonaws.com",
		"x123456789012.dkr.ecr.eu-west-1.amazonaws.com", "123456789012.dkr.ecr.eu-west-1.amazonawsxcom", "123456789012.dkr.ecr.a.b.amazonaws.com", "123456789012.dkr.ecr.eu-west-1.amazonaws.com:443@evil.test",
	} {
		user, password, err := i.Registry(t.Context(), host+"/app")
		if user != "" || password != "" || err != nil {
			t.Errorf("%s: %s, %s, %v", host, user, password, err)
		}
	}
}

func TestWhatAWSRefuses(t *testing.T) {
	c := newCloud(t)
	broken := errors.New("broken")
	for name, x := range map[string]struct {
		change func(*aws.Options)
		is     error
		says   string
	}{
		"another role": {func(o *aws.Options) { o.RoleARN = "arn:aws:iam::1:role/x" }, source.ErrAuth, "AccessDenied"},
		"wrong token": {func(o *aws.Options) {
			o.WebIdentityToken = func(context.Context) (string, error) { return "wr0ng", nil }
		}, source.ErrAuth, "Not authorized"},
		"no token":      {func(o *aws.Options) { o.WebIdentityToken = func(context.Context) (string, error) { return "", broken } }, broken, "web identity token"},
		"not reachable": {func(o *aws.Options) { o.STSEndpoint = "http://127.0.0.1:1" }, source.ErrAuth, ""},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		_, err := c.identity(t, x.change).Keys(ctx)
		cancel()
		var se *source.Error
		if !errors.Is(err, x.is) || !errors.As(err, &se) || !strings.Contains(err.Error(), x.says) || strings.Contains(err.Error(), "wr0ng") {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, _, err := c.identity(t, func(o *aws.Options) {
		o.RoleARN, o.WebIdentityToken, o.AccessKey, o.SecretKey = "", nil, "AKIA", "s3cret"
	}).Registry(t.Context(), "123456789012.dkr.ecr.eu-west-1.amazonaws.com/x")
	if !errors.Is(err, source.ErrAuth) || strings.Contains(err.Error(), "s3cret") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.identity(t, nil).Keys(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	newCloud(t)
	for name, o := range map[string]aws.Options{
		"no region": {AccessKey: "a", SecretKey: "b"},
		"no role":   {Region: "x", WebIdentityToken: func(context.Context) (string, error) { return "", nil }},
		"half keys": {Region: "x", AccessKey: "a"},
	} {
		if _, err := aws.New(t.Context(), o); !errors.Is(err, source.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	o := aws.Options{SecretKey: "ssss", SessionToken: "ssss"}
	if text := fmt.Sprintf("%v %+v %#v", o, o, o); strings.Contains(text, "ssss") {
		t.Error(text)
	}
}
