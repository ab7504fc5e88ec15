// Package cloud posts to the key services of clouds.
package cloud

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// ErrServer: the service refused or its answer can't be read.
var ErrServer = errors.New("the key service did not answer as wanted")

const (
	maxAnswer = 1 << 20
	timeout   = 30 * time.Second
)

// Refusal is what the services say when they refuse: the fields that name why.
type Refusal struct {
	// Type is AWS's, such as com.amazonaws.kms#AccessDeniedException.
	Type string `json:"__type"`
	// Error is Google's and Azure's.
	Error struct {
		Status string `json:"status"` // Google's
		Code   any    `json:"code"`   // Azure's word, Google's number
	} `json:"error"`
}

func (r Refusal) String() string {
	if r.Type != "" {
		return r.Type
	}
	if r.Error.Status != "" {
		return r.Error.Status
	}
	if code, ok := r.Error.Code.(string); ok {
		return code
	}
	return ""
}

// Post sends in as JSON and reads the answer into out. authorize adds what proves who
// asks; it sees the body. Errors wrap ErrServer and hold neither bodies nor headers.
func Post(ctx context.Context, client *http.Client, url, contentType string, in, out any, authorize func(r *http.Request, body []byte) error) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: the address", ErrServer)
	}
	req.Header.Set("Content-Type", contentType)
	if err := authorize(req, body); err != nil {
		return err
	}
	if client == nil {
		client = &http.Client{Timeout: timeout}
	}
	// A redirect would take the token elsewhere.
	c := *client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := c.Do(req)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrServer, err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	answer := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode != http.StatusOK {
		var why Refusal
		if answer.Decode(&why) == nil && why.String() != "" {
			return fmt.Errorf("%w: %s: %.100q", ErrServer, resp.Status, why.String())
		}
		return fmt.Errorf("%w: %s", ErrServer, resp.Status)
	}
	if err := answer.Decode(out); err != nil {
		return fmt.Errorf("%w: no JSON", ErrServer)
	}
	return nil
}

// Bearer authorizes by a token.
func Bearer(ctx context.Context, token func(context.Context) (string, error)) func(*http.Request, []byte) error {
	return func(r *http.Request, _ []byte) error {
		t, err := token(ctx)
		if err != nil {
			return fmt.Errorf("no token: %w", err)
		}
		r.Header.Set("Authorization", "Bearer "+t)
		return nil
	}
}
