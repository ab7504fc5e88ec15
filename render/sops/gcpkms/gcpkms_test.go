package gcpkms

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gitopskit/gitopskit/render/sops"
)

const key = "projects/shop/locations/europe-west1/keyRings/sops/cryptoKeys/flux"

// service answers like Cloud KMS, with a cipher that turns bytes round; lie makes it
// say a wrong checksum.
func service(t *testing.T, lie *bool) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer t0ken" {
			w.WriteHeader(http.StatusForbidden)
			_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"code": 403, "message": "hunter2", "status": "PERMISSION_DENIED"}})
			return
		}
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %v", r.Method, r.Header)
		}
		var in struct {
			Plaintext        []byte `json:"plaintext"`
			PlaintextCRC32C  string `json:"plaintextCrc32c"`
			Ciphertext       []byte `json:"ciphertext"`
			CiphertextCRC32C string `json:"ciphertextCrc32c"`
		}
		dec := json.NewDecoder(r.Body)
		dec.DisallowUnknownFields()
		if err := dec.Decode(&in); err != nil {
			t.Error(err)
		}
		seal := func(b []byte) []byte {
			out := make([]byte, len(b))
			for i := range b {
				out[i] = b[i] ^ 0xff
			}
			return out
		}
		sum := func(b []byte) string {
			if *lie {
				b = append(b, 'x')
			}
			return checksum(b)
		}
		switch r.URL.Path {
		case "/v1/" + key + ":encrypt":
			if in.PlaintextCRC32C != checksum(in.Plaintext) {
				t.Error("checksum", in.PlaintextCRC32C)
			}
			out := seal(in.Plaintext)
			_ = json.NewEncoder(w).Encode(map[string]any{"name": key + "/cryptoKeyVersions/1", "ciphertext": out, "ciphertextCrc32c": sum(out), "verifiedPlaintextCrc32c": true})
		case "/v1/" + key + ":decrypt":
			if in.CiphertextCRC32C != checksum(in.Ciphertext) {
				t.Error("checksum", in.CiphertextCRC32C)
			}
			out := seal(in.Ciphertext)
			_ = json.NewEncoder(w).Encode(map[string]any{"plaintext": out, "plaintextCrc32c": sum(out), "usedPrimary": true})
		default:
			w.WriteHeader(http.StatusNotFound)
			_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"code": 404, "status": "NOT_FOUND"}})
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func token(v string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return v, nil }
}

func TestRoundTrip(t *testing.T) {
	lie := false
	s := Source{Endpoint: service(t, &lie).URL, Token: token("t0ken"), ResourceID: key}
	enc, err := sops.Encrypt(t.Context(), []byte("a: hunter2\n"), sops.YAML, sops.EncryptOptions{Recipients: []sops.Recipient{s}})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		s    Source
		key  string
		lie  bool
		want error
		says string
	}{
		"as it was written":  {Source{Endpoint: s.Endpoint, Token: s.Token}, key, false, nil, ""},
		"a wrong token":      {Source{Endpoint: s.Endpoint, Token: token("wr0ng")}, key, false, ErrServer, "PERMISSION_DENIED"},
		"another key":        {Source{Endpoint: s.Endpoint, Token: s.Token}, strings.Replace(key, "flux", "other", 1), false, ErrServer, "NOT_FOUND"},
		"a path, and no key": {Source{Endpoint: s.Endpoint, Token: s.Token}, "projects/a:setIamPolicy", false, sops.ErrKey, "no resource ID"},
		"a wrong checksum":   {Source{Endpoint: s.Endpoint, Token: s.Token}, key, true, ErrServer, "checksum"},
		"no token":           {Source{Endpoint: s.Endpoint}, key, false, ErrCredentials, "Source.Token"},
	} {
		lie = tc.lie
		d, err := sops.NewDecrypter(sops.Options{Sources: []sops.KeySource{tc.s}})
		if err != nil {
			t.Fatal(err)
		}
		plain, err := d.Decrypt(t.Context(), []byte(strings.Replace(string(enc), key, tc.key, 1)), sops.YAML)
		if !errors.Is(err, tc.want) || err == nil && string(plain) != "a: hunter2\n" {
			t.Errorf("%s: %q, %v", name, plain, err)
		}
		if err != nil && (!strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "wr0ng")) {
			t.Errorf("%s: says %v", name, err)
		}
	}
	lie = true
	if _, err := s.SealDataKey(t.Context(), []byte("x")); !errors.Is(err, ErrServer) {
		t.Errorf("a wrong checksum of the ciphertext: %v", err)
	}
	if _, err := s.OpenDataKey(t.Context(), sops.MasterKey{Kind: sops.KindAWS}); !errors.Is(err, sops.ErrNoKey) {
		t.Errorf("another kind: %v", err)
	}
}

func TestServiceAccount(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if err := r.ParseForm(); err != nil || r.Form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" || strings.Count(r.Form.Get("assertion"), ".") != 2 {
			t.Error(r.Form, err)
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "t0ken", "token_type": "Bearer", "expires_in": 3600})
	}))
	defer srv.Close()
	file, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "flux@shop.iam.gserviceaccount.com", "private_key_id": "1", "token_uri": srv.URL,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)})),
	})
	if err != nil {
		t.Fatal(err)
	}
	get, err := ServiceAccount(file, srv.Client())
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
	for _, text := range []string{"", "{}", `{"type":"authorized_user","client_secret":"hunter2"}`, "hunter2"} {
		if _, err := ServiceAccount([]byte(text), nil); !errors.Is(err, ErrCredentials) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
