package azurekv

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gitopskit/gitopskit/render/sops"
)

// vault answers like Key Vault, with a real RSA key.
func vault(t *testing.T) *httptest.Server {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse := func(status int, code string) {
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"code": code, "message": "hunter2"}})
		}
		if r.Header.Get("Authorization") != "Bearer t0ken" {
			refuse(http.StatusUnauthorized, "Unauthorized")
			return
		}
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || r.URL.Query().Get("api-version") != "7.4" {
			t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
		}
		var in struct{ Alg, Value string }
		dec := json.NewDecoder(r.Body)
		dec.DisallowUnknownFields()
		if err := dec.Decode(&in); err != nil || in.Alg != "RSA-OAEP-256" {
			t.Error(in.Alg, err)
		}
		value, err := base64.RawURLEncoding.DecodeString(in.Value)
		if err != nil {
			t.Error(err)
		}
		var out []byte
		switch r.URL.Path {
		case "/keys/sops/0123abcd/encrypt":
			out, err = rsa.EncryptOAEP(sha256.New(), rand.Reader, &key.PublicKey, value, nil)
		case "/keys/sops/0123abcd/decrypt":
			out, err = rsa.DecryptOAEP(sha256.New(), nil, key, value, nil)
		default:
			refuse(http.StatusNotFound, "KeyNotFound")
			return
		}
		if err != nil {
			refuse(http.StatusBadRequest, "BadParameter")
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"kid": "https://" + r.Host + "/keys/sops/0123abcd", "value": base64.RawURLEncoding.EncodeToString(out)})
	}))
	t.Cleanup(s.Close)
	return s
}

func token(v string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return v, nil }
}

func TestRoundTrip(t *testing.T) {
	s := Source{VaultURL: vault(t).URL, Token: token("t0ken"), Key: "sops", Version: "0123abcd"}
	enc, err := sops.Encrypt(t.Context(), []byte("a: hunter2\n"), sops.YAML, sops.EncryptOptions{Recipients: []sops.Recipient{s}})
	if err != nil {
		t.Fatal(err)
	}
	here := Source{VaultURL: s.VaultURL, Token: s.Token}
	for name, tc := range map[string]struct {
		s        Source
		from, to string
		want     error
		says     string
	}{
		"as it was written":          {here, "", "", nil, ""},
		"a wrong token":              {Source{VaultURL: s.VaultURL, Token: token("wr0ng")}, "", "", ErrServer, "Unauthorized"},
		"another key":                {here, "name: sops", "name: other", ErrServer, "KeyNotFound"},
		"a path for a version":       {here, "version: 0123abcd", "version: ../../secrets", sops.ErrKey, "secrets"},
		"a server that is no vault":  {Source{Token: s.Token}, "", "", sops.ErrNoKey, "azure_kv sops"},
		"no token":                   {Source{VaultURL: s.VaultURL}, "", "", ErrCredentials, "Source.Token"},
		"a data key that is damaged": {here, "enc: ", "enc: AAAA", ErrServer, "BadParameter"},
	} {
		d, err := sops.NewDecrypter(sops.Options{Sources: []sops.KeySource{tc.s}})
		if err != nil {
			t.Fatal(err)
		}
		file := string(enc)
		if tc.from != "" {
			file = strings.Replace(file, tc.from, tc.to, 1)
		}
		plain, err := d.Decrypt(t.Context(), []byte(file), sops.YAML)
		if !errors.Is(err, tc.want) || err == nil && string(plain) != "a: hunter2\n" {
			t.Errorf("%s: %q, %v", name, plain, err)
		}
		if err != nil && (!strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "wr0ng")) {
			t.Errorf("%s: says %v", name, err)
		}
	}
}

// noted stands for the network: it notes where a token goes.
type noted struct{ to string }

func (n *noted) RoundTrip(r *http.Request) (*http.Response, error) {
	n.to = r.URL.String()
	return nil, errors.New("no network here")
}

func TestTokensGoToVaultsOnly(t *testing.T) {
	for url, want := range map[string]bool{
		"https://shop.vault.azure.net": true, "https://shop.vault.azure.net/": true, "https://SHOP.Vault.Azure.cn": true, "https://hsm.managedhsm.azure.net": true,
		"http://shop.vault.azure.net": false, "https://vault.azure.net": false, "https://shop.vault.azure.net.evil.example": false,
		"https://evil.example/.vault.azure.net": false, "https://evil.example?.vault.azure.net": false, "https://a.b.vault.azure.net": false,
		"https://shop.vault.azure.net:8443": false, "https://evil.example@shop.vault.azure.net": true, "://": false, "": false,
	} {
		net := &noted{}
		s := Source{Token: token("t0ken"), Client: &http.Client{Transport: net}}
		_, err := s.OpenDataKey(t.Context(), sops.MasterKey{Kind: sops.KindAzure, Encrypted: "AA", Fields: map[string]string{"vault_url": url, "name": "k", "version": "v"}})
		if sent := net.to != ""; sent != want || err == nil || !sent && !errors.Is(err, sops.ErrNoKey) {
			t.Errorf("%s: sent to %q, %v", url, net.to, err)
		}
	}
}

func TestServicePrincipal(t *testing.T) {
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if err := r.ParseForm(); err != nil || r.URL.Path != "/tenant-1/oauth2/v2.0/token" || r.Form.Get("grant_type") != "client_credentials" ||
			r.Form.Get("client_id") != "id" || r.Form.Get("client_secret") != "hunter2" || r.Form.Get("scope") != "https://vault.azure.net/.default" {
			t.Error(r.URL, r.Form, err)
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "t0ken", "token_type": "Bearer", "expires_in": 3600})
	}))
	defer srv.Close()
	get, err := ParseServicePrincipal([]byte("tenantId: tenant-1\nclientId: id\nclientSecret: hunter2\nauthorityHost: "+srv.URL+"\n"), srv.Client())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got, err := get(t.Context()); err != nil || got != "t0ken" {
			t.Errorf("%q, %v", got, err)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	for _, text := range []string{"", "[hunter2", "tenantId: a/b\nclientId: id\nclientSecret: hunter2", "tenantId: a\nclientSecret: hunter2"} {
		if _, err := ParseServicePrincipal([]byte(text), nil); !errors.Is(err, ErrCredentials) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
