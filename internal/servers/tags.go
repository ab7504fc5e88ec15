package servers

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Tags is a registry that has nothing but a list of tags, as long as a test wants,
// which it pages as the OCI distribution specification describes.
type Tags struct {
	// Host is host:port; it speaks plain HTTP.
	Host string
	*Counter

	opts TagsOptions
	mu   sync.Mutex
	tags []string
}

// TagsOptions says how a registry lists.
type TagsOptions struct {
	// PageSize is the most tags of a page; zero means 1000.
	PageSize int
	// ETags names pages by ETag, and answers 304 to who knows them.
	ETags bool
	// Unordered lists in the order in which the tags were set, and links to pages
	// by number.
	Unordered bool
	// Token asks for a token, which a request to /token gets.
	Token bool
	// Wrap, if set, handles each request before the registry does.
	Wrap func(http.Handler) http.Handler
}

// NewTags starts a registry that ends with the test.
func NewTags(t testing.TB, opts TagsOptions, tags ...string) *Tags {
	t.Helper()
	if opts.PageSize == 0 {
		opts.PageSize = 1000
	}
	r := &Tags{opts: opts, Counter: &Counter{}}
	r.Set(tags...)
	var h http.Handler = http.HandlerFunc(r.serve)
	if opts.Wrap != nil {
		h = opts.Wrap(h)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.note(req)
		h.ServeHTTP(w, req)
	}))
	t.Cleanup(srv.Close)
	r.Host = srv.Listener.Addr().String()
	return r
}

// Set makes tags the whole content.
func (r *Tags) Set(tags ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tags = slices.Clone(tags)
	if !r.opts.Unordered {
		slices.Sort(r.tags)
	}
}

func (r *Tags) serve(w http.ResponseWriter, req *http.Request) {
	if req.URL.Path == "/token" {
		_, _ = fmt.Fprint(w, `{"token":"t0ken"}`)
		return
	}
	if r.opts.Token && req.Header.Get("Authorization") != "Bearer t0ken" {
		w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token",service="test"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if name, ok := strings.CutSuffix(req.URL.Path, "/tags/list"); ok {
		r.list(w, req, strings.TrimPrefix(name, "/v2/"))
		return
	}
	if req.URL.Path != "/v2/" {
		w.WriteHeader(http.StatusNotFound)
	}
}

func (r *Tags) list(w http.ResponseWriter, req *http.Request, name string) {
	r.mu.Lock()
	tags := r.tags
	r.mu.Unlock()
	q := req.URL.Query()
	size := r.opts.PageSize
	if n, err := strconv.Atoi(q.Get("n")); err == nil {
		size = min(size, n)
	}
	from := 0
	if r.opts.Unordered {
		from, _ = strconv.Atoi(q.Get("page")) //nolint:errcheck // none is the first
	} else if last := q.Get("last"); last != "" {
		from, _ = slices.BinarySearch(tags, last+"\x00")
	}
	page := tags[from:min(from+size, len(tags))]
	if end := from + len(page); end < len(tags) {
		next := url.Values{"n": {strconv.Itoa(size)}, "last": {tags[end-1]}}
		if r.opts.Unordered {
			next = url.Values{"page": {strconv.Itoa(end)}}
		}
		w.Header().Set("Link", "<"+req.URL.Path+"?"+next.Encode()+`>; rel="next"`)
	}
	body, err := json.Marshal(map[string]any{"name": name, "tags": page})
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if r.opts.ETags {
		etag := fmt.Sprintf("%q", fmt.Sprintf("%x", sha256.Sum256(append(body, w.Header().Get("Link")...)))[:16])
		w.Header().Set("ETag", etag)
		if req.Header.Get("If-None-Match") == etag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body)
}
