package vault

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gitopskit/gitopskit/render/sops"
)

// transit answers like the transit engine, with a cipher that turns bytes round.
func transit(t *testing.T) *httptest.Server {
	t.Helper()
	turn := func(b []byte) string {
		for i := range b {
			b[i] ^= 0xff
		}
		return base64.StdEncoding.EncodeToString(b)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in map[string]string
		_ = json.NewDecoder(r.Body).Decode(&in)
		out := map[string]string{}
		switch {
		case r.Header.Get("X-Vault-Token") != "token":
			w.WriteHeader(http.StatusForbidden)
			return
		case r.URL.Path == "/v1/sops/encrypt/key":
			raw, _ := base64.StdEncoding.DecodeString(in["plaintext"])
			out["ciphertext"] = "vault:v1:" + turn(raw)
		case r.URL.Path == "/v1/sops/decrypt/key":
			raw, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(in["ciphertext"], "vault:v1:"))
			out["plaintext"] = turn(raw)
		default:
			http.Redirect(w, r, "http://example.invalid/", http.StatusTemporaryRedirect)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"data": out})
	}))
	t.Cleanup(s.Close)
	return s
}

func token(v string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return v, nil }
}

func TestRoundTrip(t *testing.T) {
	s := Source{Address: transit(t).URL, Token: token("token"), Engine: "sops", Key: "key"}
	enc, err := sops.Encrypt(t.Context(), []byte("a: hunter2\n"), sops.YAML, sops.EncryptOptions{Recipients: []sops.Recipient{s}})
	if err != nil {
		t.Fatal(err)
	}
	open := func(s Source) error {
		d, err := sops.NewDecrypter(sops.Options{Sources: []sops.KeySource{s}})
		if err != nil {
			return err
		}
		plain, err := d.Decrypt(t.Context(), enc, sops.YAML)
		if err == nil && string(plain) != "a: hunter2\n" {
			t.Errorf("got %q", plain)
		}
		return err
	}
	if err := open(s); err != nil {
		t.Error(err)
	}
	for name, tc := range map[string]struct {
		s    Source
		want error
	}{
		"a wrong token":  {Source{Address: s.Address, Token: token("wrong")}, ErrServer},
		"another server": {Source{Address: "https://vault.example.invalid", Token: token("token")}, sops.ErrNoKey},
		"no token":       {Source{Address: s.Address}, ErrServer},
	} {
		if err := open(tc.s); !errors.Is(err, tc.want) || strings.Contains(err.Error(), "wrong\"") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPathsOfFilesStayInTheEngine(t *testing.T) {
	s := Source{Address: transit(t).URL, Token: token("token")}
	for _, fields := range [][2]string{{"../sys", "key"}, {"sops", "../x"}, {"sops", "a/b"}, {"/sops", "key"}, {"sops", "key?x"}, {"", "key"}, {"other", "key"}} {
		_, err := s.OpenDataKey(t.Context(), sops.MasterKey{Kind: sops.KindVault, Encrypted: "vault:v1:x", Fields: map[string]string{
			"vault_address": s.Address, "engine_path": fields[0], "key_name": fields[1],
		}})
		if !errors.Is(err, ErrServer) {
			t.Errorf("%v: %v", fields, err)
		}
	}
}
