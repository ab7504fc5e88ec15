package sops

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/getsops/sops/v3/kms"

	"github.com/gitopskit/gitopskit/render/sops"
	"github.com/gitopskit/gitopskit/render/sops/awskms"
)

const (
	keyARN = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	keyID  = "AKIDEXAMPLE"
	secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

// keyService answers like KMS; each request's signature is checked with the signer of
// AWS's own SDK.
func keyService(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		checkSignature(t, r, body)
		var in struct {
			KeyID                     string `json:"KeyId"`
			Plaintext, CiphertextBlob []byte
			EncryptionContext         map[string]string
		}
		if err := json.Unmarshal(body, &in); err != nil {
			t.Error(err)
		}
		bound, _ := json.Marshal(in.EncryptionContext)
		out := map[string]any{"KeyId": keyARN}
		switch r.Header.Get("X-Amz-Target") {
		case "TrentService.Encrypt":
			out["CiphertextBlob"] = append(bound, in.Plaintext...)
		case "TrentService.Decrypt":
			plain, ok := bytes.CutPrefix(in.CiphertextBlob, bound)
			if !ok || in.KeyID != "" && in.KeyID != keyARN {
				t.Errorf("context %s, key %s", bound, in.KeyID)
			}
			out["Plaintext"] = plain
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_ = json.NewEncoder(w).Encode(out)
	}))
	t.Cleanup(s.Close)
	return s
}

func checkSignature(t *testing.T, r *http.Request, body []byte) {
	t.Helper()
	got := r.Header.Get("Authorization")
	_, list, _ := strings.Cut(got, "SignedHeaders=")
	list, _, _ = strings.Cut(list, ",")
	again, err := http.NewRequestWithContext(t.Context(), r.Method, "http://"+r.Host+r.URL.Path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(list, ";") {
		switch name {
		case "host":
		case "content-length":
			again.ContentLength = r.ContentLength
		default:
			again.Header.Set(name, r.Header.Get(name))
		}
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		t.Error(err)
	}
	sum := sha256.Sum256(body)
	who := aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret, SessionToken: r.Header.Get("X-Amz-Security-Token")}
	if err := v4.NewSigner().SignHTTP(t.Context(), who, again, hex.EncodeToString(sum[:]), "kms", "eu-west-1", at); err != nil {
		t.Fatal(err)
	}
	if want := again.Header.Get("Authorization"); got != want {
		t.Errorf("signed as %s\nwant %s", got, want)
	}
}

func TestKeysOfAWS(t *testing.T) {
	server := keyService(t)
	t.Setenv("AWS_ENDPOINT_URL_KMS", server.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", keyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	app := "shop"
	theirs := kms.NewMasterKeyWithProfile(keyARN, "", map[string]*string{"app": &app}, "")
	ours := awskms.Source{
		Endpoint: server.URL, ARN: keyARN, Context: map[string]string{"app": app},
		Credentials: awskms.Static(awskms.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}),
	}
	dataKey := []byte("0123456789abcdef0123456789abcdef")
	if err := theirs.Encrypt(dataKey); err != nil {
		t.Fatal(err)
	}
	got, err := ours.OpenDataKey(t.Context(), sops.MasterKey{
		Kind: sops.KindAWS, Encrypted: theirs.EncryptedKey, Fields: map[string]string{"arn": keyARN}, Context: map[string]string{"app": app},
	})
	if err != nil || !bytes.Equal(got, dataKey) {
		t.Errorf("we open what SOPS sealed: %q, %v", got, err)
	}
	sealed, err := ours.SealDataKey(t.Context(), dataKey)
	if err != nil {
		t.Fatal(err)
	}
	theirs.EncryptedKey = sealed.Encrypted
	if got, err = theirs.Decrypt(); err != nil || !bytes.Equal(got, dataKey) {
		t.Errorf("SOPS opens what we sealed: %q, %v", got, err)
	}
}
