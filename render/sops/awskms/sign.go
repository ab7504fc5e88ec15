package awskms

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"
)

const algorithm = "AWS4-HMAC-SHA256"

// sign signs a request to "/" without a query, over its host and all headers that it
// has, as Signature Version 4 asks:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
func sign(r *http.Request, body []byte, c Credentials, region, service string, now time.Time) {
	at := now.UTC().Format("20060102T150405Z")
	r.Header.Set("X-Amz-Date", at)
	if c.SessionToken != "" {
		r.Header.Set("X-Amz-Security-Token", c.SessionToken)
	}
	names := []string{"host"}
	for name := range r.Header {
		names = append(names, strings.ToLower(name))
	}
	slices.Sort(names)
	signed := strings.Join(names, ";")
	var request strings.Builder
	request.WriteString(r.Method + "\n/\n\n")
	for _, name := range names {
		value := r.Host
		if name != "host" {
			value = strings.TrimSpace(r.Header.Get(name))
		}
		request.WriteString(name + ":" + value + "\n")
	}
	request.WriteString("\n" + signed + "\n" + hash(body))
	scope := at[:8] + "/" + region + "/" + service + "/aws4_request"
	toSign := algorithm + "\n" + at + "\n" + scope + "\n" + hash([]byte(request.String()))
	key := []byte("AWS4" + c.SecretAccessKey)
	for _, part := range []string{at[:8], region, service, "aws4_request"} {
		key = mac(key, part)
	}
	r.Header.Set("Authorization", algorithm+" Credential="+c.AccessKeyID+"/"+scope+
		", SignedHeaders="+signed+", Signature="+hex.EncodeToString(mac(key, toSign)))
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
