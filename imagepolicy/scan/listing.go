package scan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// answer is one page of a registry's list of tags.
type answer struct {
	tags []string
	// next is the query of the page that follows; empty if there is none.
	next string
	etag string
	// unchanged: the page is what it was when the registry gave it its ETag; tags
	// and next are not told again.
	unchanged bool
}

// maxPages bounds what a registry can make us read.
const maxPages = 20_000

var errEndless = errors.New("the registry's list of tags has no end")

// firstQuery is the query of the page that begins after a tag.
func firstQuery(after string, size int) string {
	q := url.Values{"n": {strconv.Itoa(size)}}
	if after != "" {
		q.Set("last", after)
	}
	return q.Encode()
}

// page reads one page. Whatever a registry links to, the host and the path stay
// those of the repository.
func (s *session) page(ctx context.Context, query, etag string) (answer, error) {
	trip, err := s.transport(ctx)
	if err != nil {
		return answer{}, err
	}
	u := url.URL{Scheme: "https", Host: s.repo.RegistryStr(), Path: "/v2/" + s.repo.RepositoryStr() + "/tags/list", RawQuery: query}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Accept", "application/json")
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	res, err := (&http.Client{Transport: trip}).Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusNotModified && etag != "" {
		return answer{etag: etag, unchanged: true}, nil
	}
	if err := transport.CheckError(res, http.StatusOK); err != nil {
		return answer{}, err
	}
	var body struct {
		Tags []string `json:"tags"`
	}
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		return answer{}, fmt.Errorf("the list of tags cannot be read: %w", err)
	}
	a := answer{tags: slices.DeleteFunc(body.Tags, func(t string) bool { return !isTag(t) }), etag: res.Header.Get("ETag")}
	a.next, err = nextQuery(res.Header.Values("Link"))
	return a, err
}

// nextQuery reads the link to the next page, which RFC 8288 describes.
func nextQuery(links []string) (string, error) {
	for _, link := range links {
		target, params, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(link), "<"), ">")
		if !ok {
			return "", fmt.Errorf("the link to the next page cannot be read: %q", link)
		}
		if rel := strings.ReplaceAll(strings.ReplaceAll(params, `"`, ""), " ", ""); rel != "" && !strings.Contains(rel, "rel=next") {
			continue
		}
		u, err := url.Parse(target)
		if err != nil {
			return "", fmt.Errorf("the link to the next page cannot be read: %w", err)
		}
		return u.RawQuery, nil
	}
	return "", nil
}

// isTag says whether a tag is one by the OCI distribution specification; nothing
// else that a registry says is taken for a tag.
func isTag(s string) bool {
	if s == "" || len(s) > 128 || s[0] == '.' || s[0] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '.' || c == '-') {
			return false
		}
	}
	return true
}

// inOrder says whether tags ascend, after the one before them.
func inOrder(before string, tags []string) bool {
	for _, t := range tags {
		if t <= before {
			return false
		}
		before = t
	}
	return true
}

// beginsAfter says whether a query begins its page after a tag, as the OCI
// specification has it.
func beginsAfter(query, tag string) bool {
	q, err := url.ParseQuery(query)
	return err == nil && q.Get("last") == tag
}
