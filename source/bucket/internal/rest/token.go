package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gitopskit/gitopskit/source"
)

// Tokens keeps a token until shortly before it expires.
type Tokens struct {
	ask func(context.Context) (token string, expires time.Time, err error)

	mu      sync.Mutex
	token   string
	expires time.Time
}

// NewTokens returns tokens that ask brings. A zero expiry means five minutes.
func NewTokens(ask func(context.Context) (string, time.Time, error)) *Tokens {
	return &Tokens{ask: ask}
}

// early is how long before its end a token is not used any more.
const early = time.Minute

// Authorize puts a token into a request.
func (t *Tokens) Authorize(req *http.Request) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token == "" || time.Until(t.expires) < early {
		token, expires, err := t.ask(req.Context())
		if err != nil {
			if req.Context().Err() != nil {
				return context.Cause(req.Context())
			}
			return fmt.Errorf("%w: no token: %w", source.ErrAuth, err)
		}
		if expires.IsZero() {
			expires = time.Now().Add(5 * early)
		}
		t.token, t.expires = token, expires
	}
	req.Header.Set("Authorization", "Bearer "+t.token)
	return nil
}

const maxToken = 1 << 20

// Token asks a token service of OAuth 2.0. What it says in a refusal is in the
// error; the form, which holds secrets, is not.
func Token(ctx context.Context, client *http.Client, endpoint string, form url.Values, header http.Header) (string, time.Time, error) {
	method, body := http.MethodGet, io.Reader(nil)
	if form != nil {
		method, body = http.MethodPost, strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, method, endpoint, body)
	if err != nil {
		return "", time.Time{}, errors.New("the URL of the token service cannot be read")
	}
	for k, v := range header {
		req.Header[k] = v
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := client.Do(req)
	if err != nil {
		return "", time.Time{}, classify(ctx, err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxToken))
	if err != nil {
		return "", time.Time{}, classify(ctx, err)
	}
	var answer struct {
		Token       string      `json:"access_token"`
		Seconds     json.Number `json:"expires_in"`
		Error       string      `json:"error"`
		Description string      `json:"error_description"`
	}
	err = json.Unmarshal(data, &answer)
	if res.StatusCode != http.StatusOK || err != nil || answer.Token == "" {
		return "", time.Time{}, fmt.Errorf("the token service at %s answers HTTP %d: %s", req.URL.Host, res.StatusCode, strings.TrimSpace(answer.Error+" "+answer.Description))
	}
	expires := time.Time{}
	if s, err := answer.Seconds.Int64(); err == nil && s > 0 {
		expires = time.Now().Add(time.Duration(s) * time.Second)
	}
	return answer.Token, expires, nil
}
