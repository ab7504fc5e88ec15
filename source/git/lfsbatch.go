package git

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"

	"github.com/gitopskit/gitopskit/internal/httpclient"
	"github.com/gitopskit/gitopskit/source"
)

// lfsAccess is where an LFS server is and what proves who asks.
type lfsAccess struct {
	url    *url.URL
	header http.Header
}

// lfsObject is what the server says about an object (git-lfs,
// docs/api/batch.md).
type lfsObject struct {
	OID           string `json:"oid"`
	Authenticated bool   `json:"authenticated"`
	Actions       struct {
		Download *struct {
			Href   string            `json:"href"`
			Header map[string]string `json:"header"`
		} `json:"download"`
	} `json:"actions"`
	Error *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

const (
	lfsJSON      = "application/vnd.git-lfs+json"
	maxLFSAnswer = 8 << 20
	maxRedirects = 5
)

// header is what goes with requests to the server that the credentials are for.
func (a Auth) header() http.Header {
	h := http.Header{}
	switch {
	case a.BearerToken != "":
		h.Set("Authorization", "Bearer "+a.BearerToken)
	case a.Username != "" || a.Password != "":
		h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(a.Username+":"+a.Password)))
	}
	return h
}

// batch asks where objects are. Each that was asked for is in the result with
// a download, else it is an error.
func (l *lfsServer) batch(ctx context.Context, access lfsAccess, wanted []pointer) (map[string]lfsObject, error) {
	type object struct {
		OID  string `json:"oid"`
		Size int64  `json:"size"`
	}
	ask := struct {
		Operation string   `json:"operation"`
		Transfers []string `json:"transfers"`
		Objects   []object `json:"objects"`
		Hash      string   `json:"hash_algo"`
	}{Operation: "download", Transfers: []string{"basic"}, Hash: "sha256"}
	for _, p := range wanted {
		ask.Objects = append(ask.Objects, object{p.oid, p.size})
	}
	body, err := json.Marshal(ask)
	if err != nil {
		return nil, err
	}
	at := access.url.JoinPath("objects", "batch")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at.String(), bytes.NewReader(body))
	if err != nil {
		return nil, invalidf("the URL of the LFS server cannot be read")
	}
	req.Header = access.header.Clone()
	req.Header.Set("Accept", lfsJSON)
	req.Header.Set("Content-Type", lfsJSON)
	res, err := l.do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var answer struct {
		Transfer string      `json:"transfer"`
		Objects  []lfsObject `json:"objects"`
	}
	data, err := io.ReadAll(httpclient.LimitReader(res.Body, maxLFSAnswer))
	if err != nil {
		return nil, l.broken(ctx, at.Host, err)
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return nil, fmt.Errorf("%w: %s does not answer as an LFS server does", source.ErrUnreachable, at.Host)
	}
	if answer.Transfer != "" && answer.Transfer != "basic" {
		return nil, fmt.Errorf("%w: %s offers the LFS transfer %q; basic is known", source.ErrUnreachable, at.Host, answer.Transfer)
	}
	found := make(map[string]lfsObject, len(answer.Objects))
	for _, o := range answer.Objects {
		found[o.OID] = o
	}
	for _, p := range wanted {
		if err := found[p.oid].check(p, at.Host); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (o lfsObject) check(p pointer, host string) error {
	if o.Error == nil && o.Actions.Download != nil {
		return nil
	}
	kind, text := source.ErrNotFound, "nothing"
	if o.Error != nil {
		message := o.Error.Message
		text = fmt.Sprintf("%d %q", o.Error.Code, message[:min(len(message), 200)])
		switch o.Error.Code {
		case http.StatusUnauthorized, http.StatusForbidden:
			kind = source.ErrAuth
		case http.StatusNotFound, http.StatusGone:
		default:
			kind = source.ErrUnreachable
		}
	}
	return fmt.Errorf("%w: the LFS server %s says about object %s: %s", kind, host, p.oid, text)
}

// download fetches one object. Our credentials go with it to the origin of the
// LFS server only, and only if the server gave none of its own.
func (l *lfsServer) download(ctx context.Context, access lfsAccess, p pointer, o lfsObject) error {
	d := o.Actions.Download
	u, err := url.Parse(d.Href)
	if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || access.url.Scheme == "https") {
		return fmt.Errorf("%w: the LFS server sends to a URL that is not https for object %s", source.ErrUnsafe, p.oid)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return invalidf("the LFS server gives a URL that cannot be read for object %s", p.oid)
	}
	for key, value := range d.Header {
		req.Header.Set(key, value)
	}
	if !o.Authenticated && req.Header.Get("Authorization") == "" && sameOrigin(u, access.url) {
		for key, values := range access.header {
			req.Header[key] = values
		}
	}
	req.Header.Set("Accept-Encoding", "identity")
	res, err := l.do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	err = l.keep(p, res.Body)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var local *fs.PathError // our disk, not the server
	if err != nil && !classified(err) && !errors.As(err, &local) {
		return l.broken(ctx, u.Host, err)
	}
	return err
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Host, b.Host)
}

// lfsRedirect lets downloads be redirected, from https to https only, and
// takes all headers off on the way to another origin, as they may hold secrets.
func lfsRedirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	if first.Method != http.MethodGet || len(via) > maxRedirects || first.URL.Scheme == "https" && req.URL.Scheme != "https" {
		return http.ErrUseLastResponse
	}
	if !sameOrigin(req.URL, first.URL) {
		clear(req.Header)
		req.Header.Set("Accept-Encoding", "identity")
	}
	req.Header.Del("Referer")
	return nil
}

// do sends a request and returns an answer of status 200. Its errors do not
// hold the URL, which may be signed.
func (l *lfsServer) do(req *http.Request) (*http.Response, error) {
	res, err := l.client.Do(req)
	if err != nil {
		return nil, l.broken(req.Context(), req.URL.Host, err)
	}
	if res.StatusCode == http.StatusOK {
		return res, nil
	}
	_ = res.Body.Close()
	host := req.URL.Host
	switch res.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return nil, fmt.Errorf("LFS server %s: %w", host, refusedHTTP(l.auth, res.StatusCode))
	case http.StatusNotFound, http.StatusGone:
		return nil, fmt.Errorf("%w: the LFS server %s says HTTP %d: has it no LFS, or not for this repository? LFS.URL names another", source.ErrNotFound, host, res.StatusCode)
	}
	return nil, fmt.Errorf("%w: the LFS server %s says HTTP %d", source.ErrUnreachable, host, res.StatusCode)
}

// broken is for connections that failed.
func (l *lfsServer) broken(ctx context.Context, host string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	if told := httpError(err, l.auth); told != nil {
		return fmt.Errorf("LFS server %s: %w", host, told)
	}
	return fmt.Errorf("%w: LFS server %s: %w", source.ErrUnreachable, host, err)
}
