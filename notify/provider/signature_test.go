package provider_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gitopskit/gitopskit/notify/provider"
)

func TestHMACIsOfTheBody(t *testing.T) {
	v := newVendor(t, nil)
	if err := newProvider(t, provider.Config{Type: "generic-hmac", Address: v.URL, Token: "key"}, "").Send(t.Context(), delivery("info")); err != nil {
		t.Fatal(err)
	}
	r := v.take()[0]
	mac := hmac.New(sha256.New, []byte("key"))
	mac.Write(r.body)
	if got, want := r.header.Get("X-Signature"), "sha256="+hex.EncodeToString(mac.Sum(nil)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestEventHubSignsItsConnectionString(t *testing.T) {
	v := newVendor(t, nil)
	address := "Endpoint=" + v.URL + "/;SharedAccessKeyName=send;SharedAccessKey=c2VjcmV0a2V5;EntityPath=hub"
	if err := newProvider(t, provider.Config{Type: "azureeventhub", Address: address}, "").Send(t.Context(), delivery("info")); err != nil {
		t.Fatal(err)
	}
	r := v.take()[0]
	token, ok := strings.CutPrefix(r.header.Get("Authorization"), "SharedAccessSignature ")
	q, err := url.ParseQuery(token)
	if !ok || err != nil {
		t.Fatal(r.header, err)
	}
	mac := hmac.New(sha256.New, []byte("c2VjcmV0a2V5"))
	mac.Write([]byte(url.QueryEscape(q.Get("sr")) + "\n" + q.Get("se")))
	if q.Get("sig") != base64.StdEncoding.EncodeToString(mac.Sum(nil)) || q.Get("skn") != "send" || q.Get("sr") != v.URL+"/hub" {
		t.Error(q)
	}
	if r.uri != "/hub/messages?api-version=2014-01" {
		t.Error(r.uri)
	}
}

func TestPubSubLogsInWithAServiceAccount(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	logins := 0
	v := newVendor(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			logins++
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"access_token":"ya29.abc","expires_in":3600,"token_type":"Bearer"}`)
		}
	})
	file, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "a@b.iam.gserviceaccount.com", "token_uri": v.URL + "/token",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
	})
	if err != nil {
		t.Fatal(err)
	}
	s := newProvider(t, provider.Config{Type: "googlepubsub", Address: v.URL + "/project", Channel: "topic", Token: string(file)}, "")
	for range 3 {
		if err := s.Send(t.Context(), delivery("info")); err != nil {
			t.Fatal(err)
		}
	}
	sent := v.take()
	last := sent[len(sent)-1]
	if logins != 1 || last.header.Get("Authorization") != "Bearer ya29.abc" || last.uri != "/v1/projects/project/topics/topic:publish" {
		t.Errorf("%d logins, %s %v", logins, last.uri, last.header)
	}
}
