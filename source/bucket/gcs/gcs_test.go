package gcs_test

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
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/bucket"
	"github.com/gitopskit/gitopskit/source/bucket/gcs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type stored struct {
	content    string
	generation int
}

// cloud answers as the JSON API and Google's token service are documented.
type cloud struct {
	*httptest.Server
	key *rsa.PrivateKey

	mu      sync.Mutex
	objects map[string]stored
	tokens  int
	asked   []string
	fail    int          // so many requests get 503
	between func(string) // called between the description of an object and its content
}

func newCloud(t testing.TB, objects map[string]string) *cloud {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	c := &cloud{key: key, objects: map[string]stored{}}
	for k, v := range objects {
		c.objects[k] = stored{v, 1}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", c.token)
	mux.HandleFunc("GET /storage/v1/b/apps/o", c.guarded(c.list))
	mux.HandleFunc("GET /storage/v1/b/apps/o/{key}", c.guarded(c.get))
	mux.HandleFunc("GET /computeMetadata/v1/instance/service-accounts/default/token", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Metadata-Flavor") != "Google" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		_, _ = w.Write([]byte(`{"access_token":"secret-token","expires_in":3599,"token_type":"Bearer"}`))
	})
	c.Server = httptest.NewServer(mux)
	t.Cleanup(c.Close)
	return c
}

// token trades an assertion that the service account signed.
func (c *cloud) token(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	parts := strings.Split(r.PostFormValue("assertion"), ".")
	var claims struct {
		Iss, Aud, Scope string
		Iat, Exp        int64
	}
	body, _ := base64.RawURLEncoding.DecodeString(parts[1])
	sig, _ := base64.RawURLEncoding.DecodeString(parts[2])
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if r.PostFormValue("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" || json.Unmarshal(body, &claims) != nil ||
		rsa.VerifyPKCS1v15(&c.key.PublicKey, crypto.SHA256, sum[:], sig) != nil || claims.Iss != "bot@project.test" ||
		claims.Aud != c.URL+"/token" || !strings.HasSuffix(claims.Scope, "devstorage.read_only") || claims.Exp-claims.Iat != 3600 {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_grant","error_description":"Invalid JWT Signature."}`))
		return
	}
	c.tokens++
	_, _ = w.Write([]byte(`{"access_token":"secret-token","expires_in":3599,"token_type":"Bearer"}`))
}

func (c *cloud) guarded(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.fail > 0 {
			c.fail--
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if r.Header.Get("Authorization") != "Bearer secret-token" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"error":{"code":401,"message":"Invalid Credentials"}}`))
			return
		}
		next(w, r)
	}
}

func (o stored) describe(name string) map[string]string {
	return map[string]string{"name": name, "etag": fmt.Sprint("CJ", o.generation, "="), "size": fmt.Sprint(len(o.content)), "generation": fmt.Sprint(o.generation)}
}

// list gives two objects a page.
func (c *cloud) list(w http.ResponseWriter, r *http.Request) {
	keys := slices.Sorted(maps.Keys(c.objects))
	keys = slices.DeleteFunc(keys, func(k string) bool {
		return !strings.HasPrefix(k, r.FormValue("prefix")) || k <= r.FormValue("pageToken")
	})
	page := map[string]any{}
	if len(keys) > 2 {
		keys = keys[:2]
		page["nextPageToken"] = keys[1]
	}
	var items []any
	for _, k := range keys {
		items = append(items, c.objects[k].describe(k))
	}
	page["items"] = items
	_ = json.NewEncoder(w).Encode(page)
}

func (c *cloud) get(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("key")
	o, ok := c.objects[name]
	if g := r.FormValue("generation"); !ok || g != "" && g != fmt.Sprint(o.generation) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = fmt.Fprintf(w, `{"error":{"code":404,"message":"No such object: apps/%s"}}`, url.QueryEscape(name))
		return
	}
	if r.FormValue("alt") == "media" {
		c.asked = append(c.asked, name)
		if strings.HasSuffix(name, ".gz") {
			w.Header().Set("Content-Encoding", "gzip")
		}
		_, _ = w.Write([]byte(o.content))
		return
	}
	_ = json.NewEncoder(w).Encode(o.describe(name))
	if c.between != nil {
		c.between(name)
	}
}

// account is the service account's key in JSON.
func (c *cloud) account(t testing.TB) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.key)
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "bot@project.test", "private_key_id": "k1", "token_uri": c.URL + "/token",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func open(t testing.TB, opts gcs.Options, dir string) *bucket.Source {
	t.Helper()
	if opts.Bucket == "" {
		opts.Bucket = "apps"
	}
	p, err := gcs.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	s, err := bucket.New(bucket.Options{Provider: p, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func take(s *bucket.Source, t testing.TB) (map[string]string, error) {
	t.Helper()
	rev, err := s.Resolve(t.Context())
	if err != nil {
		return nil, err
	}
	a, err := s.Fetch(t.Context(), rev)
	if err != nil {
		return nil, err
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

func TestABucketIsFetched(t *testing.T) {
	t.Parallel()
	objects := map[string]string{"a": "1", "b/c d.yaml": "2", "b/%2F?&+ü": "3", "d.gz": "\x1f\x8b no gzip", "e": "5"}
	c := newCloud(t, objects)
	dir := t.TempDir()
	s := open(t, gcs.Options{Endpoint: c.URL}.WithSecret(map[string][]byte{"serviceaccount": c.account(t)}), dir)
	got, err := take(s, t)
	if diff := cmp.Diff(objects, got); diff != "" || err != nil {
		t.Fatal(diff, err)
	}
	if c.tokens != 1 {
		t.Errorf("%d tokens were asked for", c.tokens)
	}
	c.asked, c.objects["e"] = nil, stored{"6", 2}
	got, err = take(s, t)
	if got["e"] != "6" || err != nil || !slices.Equal(c.asked, []string{"e"}) {
		t.Errorf("after one change: %v, %v; downloads %v", got, err, c.asked)
	}
}

func TestWhatChangesWhileItIsRead(t *testing.T) {
	t.Parallel()
	c := newCloud(t, map[string]string{"a": "1", "b": "2"})
	once := map[string]bool{}
	c.between = func(name string) {
		if name == ".sourceignore" || once[name] {
			return
		}
		once[name] = true
		if name == "b" {
			delete(c.objects, "b")
			return
		}
		c.objects[name] = stored{"new", 2}
	}
	got, err := take(open(t, gcs.Options{Endpoint: c.URL, ServiceAccount: c.account(t)}, t.TempDir()), t)
	if diff := cmp.Diff(map[string]string{"a": "new"}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestTokensOfOthers(t *testing.T) {
	t.Parallel()
	c := newCloud(t, map[string]string{"a": "1"})
	for name, token := range map[string]gcs.Token{
		"metadata": gcs.MetadataToken(c.URL),
		"own":      func(context.Context) (string, time.Time, error) { return "secret-token", time.Time{}, nil },
	} {
		if got, err := take(open(t, gcs.Options{Endpoint: c.URL, Token: token}, t.TempDir()), t); err != nil || got["a"] != "1" {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	c := newCloud(t, map[string]string{"a": "1"})
	other := newCloud(t, nil)
	account := strings.ReplaceAll(string(other.account(t)), other.URL, c.URL)
	broken := errors.New("broken")
	for name, x := range map[string]struct {
		opts gcs.Options
		is   error
		says string
	}{
		"anonymous":        {gcs.Options{Endpoint: c.URL}, source.ErrAuth, "Invalid Credentials"},
		"another's key":    {gcs.Options{Endpoint: c.URL, ServiceAccount: []byte(account)}, source.ErrAuth, "invalid_grant"},
		"no token":         {gcs.Options{Endpoint: c.URL, Token: func(context.Context) (string, time.Time, error) { return "", time.Time{}, broken }}, broken, "no token"},
		"a wrong token":    {gcs.Options{Endpoint: c.URL, Token: func(context.Context) (string, time.Time, error) { return "wr0ng", time.Time{}, nil }}, source.ErrAuth, "401"},
		"no bucket":        {gcs.Options{Endpoint: c.URL, Bucket: "none", ServiceAccount: c.account(t)}, source.ErrNotFound, ""},
		"nobody there":     {gcs.Options{Endpoint: "http://127.0.0.1:1"}, source.ErrUnreachable, ""},
		"no metadata here": {gcs.Options{Endpoint: c.URL, Token: gcs.MetadataToken("http://127.0.0.1:1")}, source.ErrAuth, "no token"},
	} {
		_, err := take(open(t, x.opts, t.TempDir()), t)
		var se *source.Error
		if !errors.Is(err, x.is) || !errors.As(err, &se) || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: %v", name, err)
		}
		if strings.Contains(fmt.Sprint(err), "wr0ng") {
			t.Errorf("%s: the token is in the error: %v", name, err)
		}
	}
	c.fail = 2
	if _, err := take(open(t, gcs.Options{Endpoint: c.URL, ServiceAccount: c.account(t)}, t.TempDir()), t); err != nil {
		t.Errorf("after two 503: %v", err)
	}
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]gcs.Options{
		"no bucket":         {},
		"endpoint":          {Bucket: "b", Endpoint: "storage.googleapis.com"},
		"account no JSON":   {Bucket: "b", ServiceAccount: []byte("top-secret")},
		"account of a user": {Bucket: "b", ServiceAccount: []byte(`{"type":"authorized_user"}`)},
		"account, no key":   {Bucket: "b", ServiceAccount: []byte(`{"type":"service_account","client_email":"x"}`)},
		"CA":                {Bucket: "b", CA: []byte("x")},
	} {
		_, err := gcs.New(o)
		if !errors.Is(err, source.ErrInvalid) || strings.Contains(err.Error(), "top-secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if text := fmt.Sprintf("%v %+v %#v", gcs.Options{ServiceAccount: []byte("ssss")}, gcs.Options{ServiceAccount: []byte("ssss")}, gcs.Options{ServiceAccount: []byte("ssss")}); strings.Contains(text, "115") || strings.Contains(text, "ssss") {
		t.Error(text)
	}
}
