// Package forge asks the HTTP APIs of forges.
package forge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gitopskit/gitopskit/imagepolicy/update"
)

// API is where requests go, and what they have.
type API struct {
	// Base is the URL that paths are added to, without a slash at its end.
	Base string
	// Header is sent with each request; it has the token.
	Header http.Header
	// Client sends them.
	Client *http.Client
}

// New checks a base URL. Plain HTTP is refused unless the host is this machine,
// since a token goes with each request.
func New(base, fallback string, client *http.Client, header http.Header) (*API, error) {
	if base == "" {
		base = fallback
	}
	u, err := url.Parse(base)
	local := err == nil && (u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1" || u.Hostname() == "::1")
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !local) {
		return nil, Invalid("URL", "it must be https://host")
	}
	if client == nil {
		client = &http.Client{Timeout: 30 * time.Second}
	}
	// A redirect could take the token elsewhere.
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	header.Set("User-Agent", "gitopskit")
	header.Set("Content-Type", "application/json")
	return &API{Base: strings.TrimRight(base, "/"), Header: header, Client: &own}, nil
}

// Invalid is an error about an option.
func Invalid(field, why string) error {
	return &update.Error{Op: "options", Ref: field, Err: fmt.Errorf("%w: %s", update.ErrInvalid, why)}
}

// check refuses a request that no forge takes.
func check(p update.PullRequest) error {
	switch {
	case p.Branch == "":
		return Invalid("Branch", "it is required")
	case p.Base == "":
		return Invalid("Base", "it is required")
	case p.Branch == p.Base:
		return Invalid("Base", "it is the branch itself")
	case strings.TrimSpace(p.Title) == "":
		return Invalid("Title", "it is required")
	}
	return nil
}

// StatusError is an answer that is no success.
type StatusError struct {
	Status  int
	Message string
}

// Error gives the status and the forge's words.
func (e *StatusError) Error() string {
	return strings.TrimRight(fmt.Sprintf("HTTP %d %s: %s", e.Status, http.StatusText(e.Status), e.Message), ": ")
}

// maxAnswer is the most that is read of an answer.
const maxAnswer = 8 << 20

// Do sends in as JSON, and reads the answer into out. Path is escaped already.
func (a *API) Do(ctx context.Context, method, path string, query url.Values, in, out any) error {
	var body io.Reader = http.NoBody
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	target := a.Base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return err
	}
	req.Header = a.Header.Clone()
	res, err := a.Client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return err
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return &StatusError{res.StatusCode, words(data)}
	}
	if err := json.Unmarshal(data, out); err != nil {
		return errors.New("the answer is not the JSON that it should be")
	}
	return nil
}

// words are what a forge says in an answer that is an error.
func words(data []byte) string {
	var answer struct {
		Message any   `json:"message"`
		Error   any   `json:"error"`
		Errors  []any `json:"errors"`
	}
	if json.Unmarshal(data, &answer) != nil {
		return ""
	}
	var out []string
	for _, part := range append([]any{answer.Message, answer.Error}, answer.Errors...) {
		switch part := part.(type) {
		case nil:
		case string:
			out = append(out, part)
		case map[string]any:
			out = append(out, fmt.Sprint(part["message"]))
		default:
			out = append(out, fmt.Sprint(part))
		}
	}
	text := strings.Join(out, "; ")
	return text[:min(len(text), 1000)]
}
