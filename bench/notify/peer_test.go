package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/gitopskit/gitopskit/notify"
)

// usual is the usual way. A destination that hangs holds a goroutine for each
// event until the timeout.
func usual(b *testing.B, base string, ca []byte, hang bool) (time.Duration, uint64) {
	b.Helper()
	var wg sync.WaitGroup
	slots := make(chan struct{}, 64)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var hung sync.WaitGroup
	peak := watchHeap()
	begun := time.Now()
	for _, e := range events() {
		for i := range destinations {
			if !passes(e) {
				continue
			}
			if hang && i == 0 {
				hung.Go(func() { waitAsThePostWould(ctx, e) })
				continue
			}
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				if err := post(ctx, fmt.Sprint(base, "/", i), ca, e); err != nil {
					b.Error(err)
				}
			})
		}
	}
	wg.Wait()
	took := time.Since(begun)
	heap := peak()
	cancel()
	hung.Wait()
	return took, heap
}

// waitAsThePostWould holds what a post that hangs holds at least: its body and a
// goroutine; without the connection, of which there would be too many.
func waitAsThePostWould(ctx context.Context, e notify.Event) {
	body, err := json.Marshal(e)
	<-ctx.Done()
	runtime.KeepAlive(body)
	_ = err
}

func passes(e notify.Event) bool {
	ok := false
	for _, p := range inclusion {
		if re, err := regexp.Compile(p); err == nil && re.MatchString(e.Message) {
			ok = true
		}
	}
	for _, p := range exclusion {
		if re, err := regexp.Compile(p); err == nil && re.MatchString(e.Message) {
			return false
		}
	}
	return ok
}

// post makes a client, as notification-controller does for each post: retrying, with
// a transport and a pool of certificates of its own. Its idle connection is closed
// at once and not left for 90 s, since the ports would not suffice.
func post(ctx context.Context, url string, ca []byte, e notify.Event) error {
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	client := retryablehttp.NewClient()
	client.HTTPClient.Timeout = 15 * time.Second
	client.RetryWaitMin, client.RetryWaitMax, client.RetryMax = 2*time.Second, 30*time.Second, 4
	client.Logger = nil
	defer client.HTTPClient.CloseIdleConnections()
	if strings.HasPrefix(url, "https") {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(ca)
		client.HTTPClient.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
