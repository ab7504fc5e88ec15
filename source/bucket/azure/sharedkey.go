package azure

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// sharedKey signs requests with an account's key.
// https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
type sharedKey struct {
	account string
	key     []byte
}

func (k sharedKey) sign(req *http.Request) error {
	req.Header.Set("X-Ms-Date", time.Now().UTC().Format(http.TimeFormat))
	mac := hmac.New(sha256.New, k.key)
	mac.Write([]byte(k.text(req)))
	req.Header.Set("Authorization", "SharedKey "+k.account+":"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return nil
}

// text is what is signed of a request without a body.
func (k sharedKey) text(req *http.Request) string {
	var b strings.Builder
	b.WriteString(req.Method + "\n")
	for _, name := range []string{
		"Content-Encoding", "Content-Language", "Content-Length", "Content-Md5", "Content-Type", "Date",
		"If-Modified-Since", "If-Match", "If-None-Match", "If-Unmodified-Since", "Range",
	} {
		b.WriteString(req.Header.Get(name) + "\n")
	}
	own := map[string]string{}
	for name := range req.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-ms-") {
			own[lower] = strings.Join(strings.Fields(req.Header.Get(name)), " ")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(own)) {
		b.WriteString(name + ":" + own[name] + "\n")
	}
	b.WriteString("/" + k.account + req.URL.EscapedPath())
	query := map[string][]string{}
	for name, values := range req.URL.Query() {
		query[strings.ToLower(name)] = append(query[strings.ToLower(name)], values...)
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		b.WriteString("\n" + name + ":" + strings.Join(slices.Sorted(slices.Values(query[name])), ","))
	}
	return b.String()
}
