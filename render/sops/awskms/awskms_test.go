package awskms

import (
	"bytes"
	"context"
	"crypto/hmac"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitopskit/gitopskit/render/sops"
)

const arn = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

var who = Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", SessionToken: "session"}

// TestSignature holds against the vectors of AWS's test suite for Signature
// Version 4 (get-vanilla and post-vanilla).
func TestSignature(t *testing.T) {
	for method, want := range map[string]string{
		http.MethodGet:  "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
		http.MethodPost: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
	} {
		r := httptest.NewRequestWithContext(t.Context(), method, "https://example.amazonaws.com/", nil)
		sign(r, nil, Credentials{AccessKeyID: who.AccessKeyID, SecretAccessKey: who.SecretAccessKey}, "us-east-1", "service",
			time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC))
		want = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + want
		if diff := cmp.Diff(want, r.Header.Get("Authorization")); diff != "" {
			t.Errorf("%s: %s", method, diff)
		}
	}
}

// service answers like KMS: it signs each request anew to check it, and seals by
// turning bytes round together with key and context.
func service(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		refuse := func(kind string) {
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(map[string]string{"__type": "com.amazonaws.kms#" + kind, "message": "it is hunter2"})
		}
		if r.Method != http.MethodPost || r.URL.Path != "/" || r.Header.Get("Content-Type") != "application/x-amz-json-1.1" {
			t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
		}
		if !rightlySigned(r, body) {
			refuse("InvalidSignatureException")
			return
		}
		var in struct {
			KeyID             string `json:"KeyId"`
			Plaintext         []byte
			CiphertextBlob    []byte
			EncryptionContext map[string]string
		}
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&in); err != nil {
			t.Error(err)
		}
		bound, _ := json.Marshal([]any{in.KeyID, in.EncryptionContext})
		switch r.Header.Get("X-Amz-Target") {
		case "TrentService.Encrypt":
			_ = json.NewEncoder(w).Encode(map[string]any{"KeyId": in.KeyID, "CiphertextBlob": append(bound, turned(in.Plaintext)...), "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"})
		case "TrentService.Decrypt":
			sealed, ok := bytes.CutPrefix(in.CiphertextBlob, bound)
			if !ok {
				refuse("InvalidCiphertextException")
				return
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"KeyId": in.KeyID, "Plaintext": turned(sealed)})
		default:
			refuse("UnknownOperationException")
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func rightlySigned(r *http.Request, body []byte) bool {
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		return false
	}
	again := &http.Request{Method: r.Method, Host: r.Host, Header: http.Header{}}
	for _, name := range []string{"Content-Type", "X-Amz-Target"} {
		again.Header.Set(name, r.Header.Get(name))
	}
	sign(again, body, who, "eu-west-1", "kms", at)
	return hmac.Equal([]byte(again.Header.Get("Authorization")), []byte(r.Header.Get("Authorization"))) && r.Header.Get("X-Amz-Security-Token") == who.SessionToken
}

func turned(b []byte) []byte {
	out := make([]byte, len(b))
	for i := range b {
		out[i] = b[i] ^ 0xff
	}
	return out
}

func TestRoundTrip(t *testing.T) {
	roles := []string{}
	s := Source{Endpoint: service(t).URL, ARN: arn, Role: "arn:aws:iam::111122223333:role/sops", Context: map[string]string{"app": "shop", "env": "prod"}}
	s.Credentials = func(_ context.Context, role string) (Credentials, error) {
		roles = append(roles, role)
		return who, nil
	}
	enc, err := sops.Encrypt(t.Context(), []byte("a: hunter2\n"), sops.YAML, sops.EncryptOptions{Recipients: []sops.Recipient{s}})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		s    Source
		file string
		want error
		says string
	}{
		"as it was written":  {Source{Endpoint: s.Endpoint, Credentials: s.Credentials}, string(enc), nil, ""},
		"another context":    {Source{Endpoint: s.Endpoint, Credentials: s.Credentials}, strings.Replace(string(enc), "env: prod", "env: test", 1), ErrServer, "InvalidCiphertextException"},
		"wrong credentials":  {Source{Endpoint: s.Endpoint, Credentials: Static(Credentials{AccessKeyID: "a", SecretAccessKey: "b"})}, string(enc), ErrServer, "InvalidSignatureException"},
		"empty credentials":  {Source{Endpoint: s.Endpoint, Credentials: Static(Credentials{})}, string(enc), ErrCredentials, "access key"},
		"no credentials":     {Source{Endpoint: s.Endpoint}, string(enc), ErrCredentials, "Source.Credentials"},
		"no ARN in the file": {Source{Endpoint: s.Endpoint, Credentials: s.Credentials}, strings.Replace(string(enc), arn, "alias/x", 1), sops.ErrKey, "alias/x"},
		"a closed partition": {Source{Credentials: s.Credentials}, strings.Replace(string(enc), "arn:aws:kms", "arn:aws-iso:kms", 1), sops.ErrKey, "Source.Endpoint"},
	} {
		d, err := sops.NewDecrypter(sops.Options{Sources: []sops.KeySource{tc.s}})
		if err != nil {
			t.Fatal(err)
		}
		plain, err := d.Decrypt(t.Context(), []byte(tc.file), sops.YAML)
		if !errors.Is(err, tc.want) || err == nil && string(plain) != "a: hunter2\n" {
			t.Errorf("%s: %q, %v", name, plain, err)
		}
		if err != nil && (!strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), who.SecretAccessKey)) {
			t.Errorf("%s: says %v", name, err)
		}
	}
	if roles[0] != s.Role || roles[1] != s.Role {
		t.Errorf("asked for roles %q", roles)
	}
}

// redirecting stands for the network: it notes where a request goes.
type redirecting struct{ host string }

func (r *redirecting) RoundTrip(req *http.Request) (*http.Response, error) {
	r.host = req.URL.Scheme + "://" + req.URL.Host + req.URL.Path
	return nil, errors.New("no network here")
}

func TestEndpointIsThatOfTheRegion(t *testing.T) {
	for key, want := range map[string]string{
		arn:                                 "https://kms.eu-west-1.amazonaws.com/",
		"arn:aws-cn:kms:cn-north-1:1:key/a": "https://kms.cn-north-1.amazonaws.com.cn/",
		"arn:aws-us-gov:kms:us-gov-west-1:1:alias/a":   "https://kms.us-gov-west-1.amazonaws.com/",
		"arn:aws:kms:evil.example.com/x:1:key/a":       "",
		"arn:aws:kms:eu-west-1.evil.example:1:alias/a": "",
	} {
		net := &redirecting{}
		s := Source{Credentials: Static(who), Client: &http.Client{Transport: net}}
		_, err := s.OpenDataKey(t.Context(), sops.MasterKey{Kind: sops.KindAWS, Encrypted: "AA==", Fields: map[string]string{"arn": key}})
		if net.host != want || err == nil {
			t.Errorf("%s: %q, %v", key, net.host, err)
		}
	}
	if _, err := (Source{}).OpenDataKey(t.Context(), sops.MasterKey{Kind: sops.KindGCP}); !errors.Is(err, sops.ErrNoKey) {
		t.Errorf("another kind: %v", err)
	}
}

func TestParseCredentials(t *testing.T) {
	got, err := ParseCredentials([]byte("aws_access_key_id: AKIDEXAMPLE\naws_secret_access_key: wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY\naws_session_token: session\n"))
	if err != nil || got != who {
		t.Errorf("%+v, %v", got, err)
	}
	for _, text := range []string{"", "aws_access_key_id: a", "[hunter2", "aws_secret_access_key: hunter2"} {
		if _, err := ParseCredentials([]byte(text)); !errors.Is(err, ErrCredentials) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
