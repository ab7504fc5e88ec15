package kustomization

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gitopskit/gitopskit/render/sops"
)

func TestKeySources(t *testing.T) {
	account := `{"type":"service_account","client_email":"a@b","private_key":"x","token_uri":"https://example.invalid"}`
	cases := map[string]struct {
		data  map[string]string
		vault string
		n     int
		says  string // of the error
	}{
		"age and PGP are not for here": {data: map[string]string{"a.agekey": "x", "b.asc": "y"}},
		"AWS":                          {data: map[string]string{"sops.aws-kms": "aws_access_key_id: a\naws_secret_access_key: b"}, n: 1},
		"Google":                       {data: map[string]string{"sops.gcp-kms": account}, n: 1},
		"Azure":                        {data: map[string]string{"sops.azure-kv": "tenantId: a\nclientId: b\nclientSecret: c"}, n: 1},
		"Vault, by the environment":    {data: map[string]string{"sops.vault-token": "t"}, vault: "https://vault.example", n: 1},
		"Vault, by the Secret":         {data: map[string]string{"sops.vault-token": "t", vaultAddressKey: "https://vault.example"}, n: 1},
		"Vault, nowhere":               {data: map[string]string{"sops.vault-token": "hunter2"}, says: vaultAddressKey},
		"several": {
			data: map[string]string{"sops.aws-kms": "aws_access_key_id: a\naws_secret_access_key: b", "sops.gcp-kms": account, "a.agekey": "x"}, n: 2,
		},
		"unreadable": {data: map[string]string{"sops.aws-kms": "hunter2"}, says: "sops.aws-kms"},
		"unknown":    {data: map[string]string{"sops.other": "hunter2"}, says: "sops.other"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := keySources(bytesOf(c.data), c.vault)
			if len(got) != c.n || (err != nil) != (c.says != "") {
				t.Fatalf("%d sources, %v", len(got), err)
			}
			if err != nil && (!strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "hunter2")) {
				t.Errorf("says %v", err)
			}
			if _, err := sops.NewDecrypter(sops.Options{Sources: got}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOtherCredentialsAreAnotherDecrypter(t *testing.T) {
	fingerprint := func(token string) string {
		sources, err := keySources(bytesOf(map[string]string{"sops.vault-token": token}), "https://vault.example")
		if err != nil {
			t.Fatal(err)
		}
		d, err := sops.NewDecrypter(sops.Options{Sources: sources})
		if err != nil {
			t.Fatal(err)
		}
		return d.Fingerprint()
	}
	first, again, other := fingerprint("one"), fingerprint("one"), fingerprint("two")
	if first != again || first == other {
		t.Errorf("%s, %s, and with another token %s", first, again, other)
	}
}

// TestVaultTokenGoesToItsServerOnly: a file names another one.
func TestVaultTokenGoesToItsServerOnly(t *testing.T) {
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { asked++; w.WriteHeader(http.StatusForbidden) }))
	defer srv.Close()
	sources, err := keySources(bytesOf(map[string]string{"sops.vault-token": "t", vaultAddressKey: srv.URL + "\n"}), "")
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{srv.URL: true, "https://vault.example.invalid": false} {
		asked = 0
		_, err := sources[0].OpenDataKey(t.Context(), sops.MasterKey{Kind: sops.KindVault, Fields: map[string]string{
			"vault_address": address, "engine_path": "sops", "key_name": "k",
		}})
		if (asked > 0) != want || err == nil || errors.Is(err, sops.ErrNoKey) == want {
			t.Errorf("%s: asked %d times, %v", address, asked, err)
		}
	}
}

func bytesOf(m map[string]string) map[string][]byte {
	out := map[string][]byte{}
	for k, v := range m {
		out[k] = []byte(v)
	}
	return out
}
