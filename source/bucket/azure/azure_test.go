package azure_test

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/bucket"
	"github.com/gitopskit/gitopskit/source/bucket/azure"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "a2V5IG9mIHRoZSBhY2NvdW50" // the account's, in base64

// cloud answers as Blob Storage, Entra and the metadata service are documented.
type cloud struct {
	*httptest.Server
	cert *x509.Certificate

	mu      sync.Mutex
	objects map[string]string
	tokens  int
	asked   []string
}

func newCloud(t testing.TB, objects map[string]string) *cloud {
	t.Helper()
	c := &cloud{objects: objects}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /tenant/oauth2/v2.0/token", c.entra)
	mux.HandleFunc("GET /apps", c.guarded(c.list))
	mux.HandleFunc("GET /apps/{key...}", c.guarded(c.get))
	mux.HandleFunc("GET /metadata/identity/oauth2/token", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Metadata") != "true" || r.FormValue("resource") != "https://storage.azure.com/" || r.FormValue("api-version") == "" || r.FormValue("client_id") != "client" {
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		// The metadata service gives numbers as text.
		_, _ = w.Write([]byte(`{"access_token":"secret-token","expires_in":"3599"}`))
	})
	c.Server = httptest.NewServer(mux)
	t.Cleanup(c.Close)
	return c
}

func (c *cloud) entra(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ok := r.PostFormValue("grant_type") == "client_credentials" && r.PostFormValue("client_id") == "client" && r.PostFormValue("scope") == azure.Scope
	switch assertion := r.PostFormValue("client_assertion"); {
	case assertion == "":
		ok = ok && r.PostFormValue("client_secret") == "s3cret"
	case assertion != "federated":
		ok = ok && c.signed(assertion)
	}
	if !ok {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided."}`))
		return
	}
	c.tokens++
	_, _ = w.Write([]byte(`{"access_token":"secret-token","expires_in":3599}`))
}

// signed checks an assertion of the certificate's key.
func (c *cloud) signed(assertion string) bool {
	parts := strings.Split(assertion, ".")
	var head map[string]string
	var claims struct {
		Aud, Iss, Sub, Jti string
		Exp                int64
	}
	a, _ := base64.RawURLEncoding.DecodeString(parts[0])
	b, _ := base64.RawURLEncoding.DecodeString(parts[1])
	sig, _ := base64.RawURLEncoding.DecodeString(parts[2])
	thumb := sha256.Sum256(c.cert.Raw)
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	return json.Unmarshal(a, &head) == nil && json.Unmarshal(b, &claims) == nil && head["alg"] == "PS256" &&
		head["x5t#S256"] == base64.RawURLEncoding.EncodeToString(thumb[:]) && claims.Iss == "client" && claims.Sub == "client" &&
		claims.Jti != "" && claims.Aud == c.URL+"/tenant/oauth2/v2.0/token" && claims.Exp > time.Now().Unix() &&
		rsa.VerifyPSS(c.cert.PublicKey.(*rsa.PublicKey), crypto.SHA256, sum[:], sig, nil) == nil
}

// guarded wants a token, a signature by the account's key as the documentation
// writes it out, or a shared access signature.
func (c *cloud) guarded(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		text := "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:" + r.Header.Get("X-Ms-Date") + "\nx-ms-version:2023-11-03\n/account" + r.URL.EscapedPath()
		for _, name := range []string{"comp", "marker", "prefix", "restype"} {
			if v := r.FormValue(name); v != "" {
				text += "\n" + name + ":" + v
			}
		}
		raw, _ := base64.StdEncoding.DecodeString(key)
		mac := hmac.New(sha256.New, raw)
		mac.Write([]byte(text))
		want := "SharedKey account:" + base64.StdEncoding.EncodeToString(mac.Sum(nil))
		if a := r.Header.Get("Authorization"); a != "Bearer secret-token" && a != want && r.FormValue("sig") != "si+g" || r.Header.Get("X-Ms-Version") == "" {
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte("\ufeff<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>AuthenticationFailed</Code><Message>Server failed to authenticate the request.\nRequestId:1\nTime:2</Message><AuthenticationErrorDetail>The MAC signature found in the HTTP request '" + a + "' is not the same</AuthenticationErrorDetail></Error>"))
			return
		}
		next(w, r)
	}
}

func etag(content string) string { return fmt.Sprintf("0x8D%X", sha256.Sum256([]byte(content)))[:19] }

// list gives two blobs a page.
func (c *cloud) list(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("comp") != "list" || r.FormValue("restype") != "container" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	keys := slices.Sorted(maps.Keys(c.objects))
	keys = slices.DeleteFunc(keys, func(k string) bool { return !strings.HasPrefix(k, r.FormValue("prefix")) || k <= r.FormValue("marker") })
	next := ""
	if len(keys) > 2 {
		keys = keys[:2]
		next = keys[1]
	}
	_, _ = fmt.Fprint(w, "\ufeff"+`<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="apps"><Blobs>`)
	for _, k := range keys {
		name := "<Name>" + strings.NewReplacer("&", "&amp;", "<", "&lt;").Replace(k) + "</Name>"
		if strings.ContainsRune(k, '\ufffe') {
			name = `<Name Encoded="true">` + url.PathEscape(k) + "</Name>"
		}
		_, _ = fmt.Fprintf(w, "<Blob>%s<Properties><Etag>%s</Etag><Content-Length>%d</Content-Length></Properties></Blob>", name, etag(c.objects[k]), len(c.objects[k]))
	}
	_, _ = fmt.Fprintf(w, `<Blob><Name>folder</Name><Properties><ResourceType>directory</ResourceType><Content-Length>0</Content-Length></Properties></Blob></Blobs><NextMarker>%s</NextMarker></EnumerationResults>`, next)
}

func (c *cloud) get(w http.ResponseWriter, r *http.Request) {
	content, ok := c.objects[r.PathValue("key")]
	if !ok {
		w.Header().Set("X-Ms-Error-Code", "BlobNotFound")
		w.WriteHeader(http.StatusNotFound)
		return
	}
	c.asked = append(c.asked, r.PathValue("key"))
	w.Header().Set("ETag", `"`+etag(content)+`"`)
	_, _ = w.Write([]byte(content))
}

func open(t testing.TB, opts azure.Options) *bucket.Source {
	t.Helper()
	if opts.Container == "" {
		opts.Container = "apps"
	}
	p, err := azure.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	s, err := bucket.New(bucket.Options{Provider: p, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func take(t testing.TB, s *bucket.Source) (map[string]string, error) {
	t.Helper()
	rev, err := s.Resolve(t.Context())
	if err != nil {
		return nil, err
	}
	a, err := s.Fetch(t.Context(), rev)
	if err != nil {
		return nil, err
	}
	if a.Revision() != rev {
		t.Errorf("resolved %s, fetched %s", rev, a.Revision())
	}
	out := map[string]string{}
	err = fs.WalkDir(a.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			var data []byte
			data, err = fs.ReadFile(a.FS(), p)
			out[p] = string(data)
		}
		return err
	})
	return out, err
}

// certificate makes one with its key for the application.
func (c *cloud) certificate(t testing.TB) []byte {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "app"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	if c.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
}

func TestAContainerIsFetched(t *testing.T) {
	t.Parallel()
	objects := map[string]string{"a": "1", "b/c d.yaml": "2", "b/%2F?&+ü": "3", "<d>": "4", "e\ufffe": "5"}
	c := newCloud(t, objects)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("federated\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	app := azure.Application{TenantID: "tenant", ClientID: "client", AuthorityHost: c.URL}
	secret, certificate := app, app
	secret.ClientSecret, certificate.ClientCertificate = "s3cret", c.certificate(t)
	for name, o := range map[string]azure.Options{
		"account key":      {AccountKey: key},
		"SAS":              {SASKey: "?sv=2023&sig=si%2Bg"},
		"secret":           {Application: secret},
		"certificate":      {Application: certificate},
		"token":            {Token: func(context.Context) (string, time.Time, error) { return "secret-token", time.Time{}, nil }},
		"managed identity": {Token: azure.ManagedIdentity{ClientID: "client", Endpoint: c.URL}.Token},
		"secret's key":     azure.Options{}.WithSecret(map[string][]byte{"accountKey": []byte(key)}),
		"secret's SAS":     azure.Options{}.WithSecret(map[string][]byte{"sasKey": []byte("sig=si%2Bg")}),
		"secret's app": azure.Options{}.WithSecret(map[string][]byte{
			"tenantId": []byte("tenant"), "clientId": []byte("client"), "clientSecret": []byte("s3cret"), "authorityHost": []byte(c.URL),
		}),
		"workload identity": {Token: azure.WorkloadIdentity{TenantID: "tenant", ClientID: "client", TokenFile: file, AuthorityHost: c.URL}.Token},
	} {
		o.Endpoint, o.Account = c.URL, "account"
		got, err := take(t, open(t, o))
		if diff := cmp.Diff(objects, got); diff != "" || err != nil {
			t.Errorf("%s: %s %v", name, diff, err)
		}
	}
	if c.tokens != 4 {
		t.Errorf("%d tokens of Entra were asked for", c.tokens)
	}
}

func TestOneChangedBlobIsOneDownload(t *testing.T) {
	t.Parallel()
	c := newCloud(t, map[string]string{"a": "1", "b": "2", "c": "3"})
	s := open(t, azure.Options{Endpoint: c.URL, Account: "account", AccountKey: key})
	if _, err := take(t, s); err != nil {
		t.Fatal(err)
	}
	c.asked, c.objects["b"] = nil, "new"
	got, err := take(t, s)
	if got["b"] != "new" || err != nil || !slices.Equal(c.asked, []string{"b"}) {
		t.Errorf("%v, %v; downloads %v", got, err, c.asked)
	}
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	c := newCloud(t, map[string]string{"a": "1"})
	app := azure.Application{TenantID: "tenant", ClientID: "client", AuthorityHost: c.URL, ClientSecret: "wr0ng"}
	for name, x := range map[string]struct {
		opts azure.Options
		is   error
		says string
	}{
		"anonymous":      {azure.Options{Endpoint: c.URL}, source.ErrAuth, "AuthenticationFailed: Server failed to authenticate the request.;"},
		"wrong key":      {azure.Options{Endpoint: c.URL, Account: "account", AccountKey: "d3IwbmcK"}, source.ErrAuth, ""},
		"wrong SAS":      {azure.Options{Endpoint: c.URL, SASKey: "sig=wr0ng"}, source.ErrAuth, ""},
		"SAS, no server": {azure.Options{Endpoint: "http://127.0.0.1:1", SASKey: "sig=wr0ng"}, source.ErrUnreachable, ""},
		"wrong secret":   {azure.Options{Endpoint: c.URL, Application: app}, source.ErrAuth, "AADSTS7000215"},
		"no container":   {azure.Options{Endpoint: c.URL, Container: "none", SASKey: "sig=si%2Bg"}, source.ErrNotFound, ""},
	} {
		_, err := take(t, open(t, x.opts))
		var se *source.Error
		if !errors.Is(err, x.is) || !errors.As(err, &se) || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: %v", name, err)
		}
		if strings.Contains(fmt.Sprint(err), "wr0ng") || strings.Contains(fmt.Sprint(err), "SharedKey") {
			t.Errorf("%s: a secret is in the error: %v", name, err)
		}
	}
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	const at = "https://account.blob.core.windows.net"
	for name, o := range map[string]azure.Options{
		"no endpoint":      {Container: "c"},
		"no container":     {Endpoint: at},
		"endpoint":         {Endpoint: "account", Container: "c"},
		"SAS in the URL":   {Endpoint: at + "?sig=ssss", Container: "c"},
		"key no base64":    {Endpoint: at, Container: "c", AccountKey: "ssss!"},
		"SAS":              {Endpoint: at, Container: "c", SASKey: "ssss"},
		"app, no tenant":   {Endpoint: at, Container: "c", Application: azure.Application{ClientID: "x", ClientSecret: "ssss"}},
		"app, no secret":   {Endpoint: at, Container: "c", Application: azure.Application{ClientID: "x", TenantID: "t"}},
		"app, certificate": {Endpoint: at, Container: "c", Application: azure.Application{ClientID: "x", TenantID: "t", ClientCertificate: []byte("ssss")}},
	} {
		_, err := azure.New(o)
		if !errors.Is(err, source.ErrInvalid) || strings.Contains(err.Error(), "ssss") {
			t.Errorf("%s: %v", name, err)
		}
	}
	o := azure.Options{AccountKey: "ssss", SASKey: "ssss", Application: azure.Application{ClientSecret: "ssss"}}
	if o := (azure.Options{}).WithSecret(map[string][]byte{"clientId": []byte("client")}); o.Token == nil || o.Identity != "client" {
		t.Error("clientId alone is not taken for a managed identity")
	}
	if text := fmt.Sprintf("%v %+v %#v %v %#v", o, o, o, o.Application, o.Application); strings.Contains(text, "ssss") {
		t.Error(text)
	}
}
