package provider

import (
	"context"
	"crypto/sha1" //nolint:gosec // Bitbucket bounds keys to 40 characters; nothing is secured by it
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/gitopskit/gitopskit/notify"
)

// forges are the types whose Address names a repository, and hence is no secret.
func forges() map[string]bool {
	return map[string]bool{
		"github": true, "gitlab": true, "gitea": true, "bitbucket": true, "bitbucketserver": true, "azuredevops": true,
		"githubdispatch": true, "githubpullrequestcomment": true, "gitlabmergerequestcomment": true, "giteapullrequestcomment": true,
	}
}

// repository is what Address names.
type repository struct {
	base *url.URL // scheme and host
	path string   // owner/name, without .git
}

// parseRepository reads https://HOST/OWNER/NAME(.git), also in the ways of git
// (ssh://git@HOST/…, git@HOST:…); owners may be nested where deep is true.
func parseRepository(c *Config, deep bool) (repository, error) {
	if err := need("Address", c.Address); err != nil {
		return repository{}, err
	}
	address := c.Address
	if !strings.Contains(address, "://") {
		if host, path, ok := strings.Cut(address, ":"); ok {
			address = "ssh://" + host + "/" + path
		}
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return repository{}, invalid("Address must be a repository's URL like https://host/owner/name")
	}
	base := &url.URL{Scheme: u.Scheme, Host: u.Host}
	if u.Scheme != "http" && u.Scheme != "https" {
		base = &url.URL{Scheme: "https", Host: u.Hostname()}
	}
	path := strings.TrimSuffix(strings.Trim(u.Path, "/"), ".git")
	if n := strings.Count(path, "/"); path == "" || n < 1 || n > 1 && !deep {
		return repository{}, invalid("Address must be a repository's URL like https://host/owner/name")
	}
	return repository{base, path}, nil
}

// escaped returns the path as one segment, and split its parts escaped.
func (r repository) escaped() string { return url.PathEscape(r.path) }

func (r repository) owner() string {
	owner, _, _ := strings.Cut(r.path, "/")
	return url.PathEscape(owner)
}

func (r repository) name() string {
	return url.PathEscape(r.path[strings.LastIndex(r.path, "/")+1:])
}

var hexHash = regexp.MustCompile(`^[0-9a-f]{7,64}$`)

// commitOf takes the commit out of a revision such as main@sha1:…, main/… or a
// bare hash.
func commitOf(revision string) (string, bool) {
	rev := revision
	if i := strings.LastIndexAny(rev, ":/"); i >= 0 {
		rev = rev[i+1:]
	}
	return rev, hexHash.MatchString(rev)
}

// status is what all forges are told of a commit.
type status struct {
	commit, context, description string
	failed                       bool
}

// statusOf returns the status that an event means; ok is false where it means
// none: while work goes on, and where it is not about a commit.
func statusOf(c *Config, e notify.Event) (s status, ok bool, err error) {
	if e.Reason == "Progressing" || e.Reason == "ProgressingWithRetry" {
		return s, false, nil
	}
	revision := e.Meta(notify.MetaOriginRevision)
	if revision == "" {
		revision = e.Revision()
	}
	if s.commit, ok = commitOf(revision); !ok {
		return s, false, nil
	}
	s.failed, s.description = isError(e), words(e.Reason)
	if sum := e.Metadata[notify.MetaSummary]; sum != "" {
		s.description = sum
	}
	s.context = statusContext(c, e)
	if c.CommitStatus != nil {
		if s.context, err = c.CommitStatus(e); err != nil {
			return s, false, &notify.SendError{Permanent: true, Err: fmt.Errorf("CommitStatus: %w", err)}
		}
	}
	return s, true, nil
}

func statusContext(c *Config, e notify.Event) string {
	uid, _, _ := strings.Cut(c.UID, "-")
	text := strings.ToLower(e.InvolvedObject.Kind) + "/" + e.InvolvedObject.Name
	if uid != "" {
		text += "/" + clip(uid, 8)
	}
	return text
}

// statusSender asks for the statuses that there are, so that none is sent twice,
// and sets the new one.
type statusSender struct {
	*caller
	// seen returns a request whose answer same judges: whether the status is
	// there already. A nil seen asks nothing.
	seen func(s status) request
	same func(body []byte, s status) bool
	// set returns the request that sets it.
	set func(s status) (request, error)
	// login adds the credentials.
	login func(r request) request
}

// Deduplicates implements notify.Deduplicator.
func (*statusSender) Deduplicates() bool { return true }

// Send implements notify.Sender.
func (s *statusSender) Send(ctx context.Context, d notify.Delivery) error {
	st, ok, err := statusOf(s.config, d.Event)
	if err != nil || !ok {
		return s.mask.Error(err)
	}
	if s.seen != nil {
		body, err := s.do(ctx, s.login(s.seen(st)))
		if err == nil && s.same(body, st) {
			return nil
		}
		if err != nil && !isStatus(err, http.StatusNotFound) {
			return notInDoubt(err)
		}
	}
	r, err := s.set(st)
	if err != nil {
		return s.mask.Error(unbuilt(err))
	}
	_, err = s.do(ctx, s.login(r))
	return err
}

func isStatus(err error, code int) bool {
	s, ok := err.(*notify.SendError) //nolint:errorlint // do returns it unwrapped
	return ok && s.Status == code
}

// notInDoubt is for requests that only ask.
func notInDoubt(err error) error {
	if s, ok := err.(*notify.SendError); ok { //nolint:errorlint // do returns it unwrapped
		out := *s
		out.InDoubt = false
		return &out
	}
	return err
}

func get(url string) request {
	return request{method: http.MethodGet, url: url, header: map[string]string{"Accept": "application/json"}}
}

// latest decodes a list of statuses, newest first, and tells whether the first of
// the context is the same.
func latest(body []byte, st status, name, state func(map[string]any) string, want string) bool {
	var list []map[string]any
	if json.Unmarshal(body, &list) != nil {
		return false
	}
	for _, s := range list {
		if name(s) == st.context {
			description, _ := s["description"].(string)
			return state(s) == want && description == st.description
		}
	}
	return false
}

func field(name string) func(map[string]any) string {
	return func(m map[string]any) string { s, _ := m[name].(string); return s }
}

func choose(failed bool, good, bad string) string {
	if failed {
		return bad
	}
	return good
}

func sha1Hex(s string) string {
	sum := sha1.Sum([]byte(s)) //nolint:gosec // see the import
	return hex.EncodeToString(sum[:])
}

// basicOrBearer logs in with "user:password" in Token, Username and Password, or
// a bearer token.
func basicOrBearer(c *Config) func(request) request {
	return func(r request) request {
		if user, password, ok := strings.Cut(c.Token, ":"); ok {
			return r.with("Authorization", basic(user, password))
		}
		return r.login(c)
	}
}

// forge is a repository's place in the API of a forge that takes a token in a
// header.
type forge struct {
	root   string
	login  func(request) request
	caller *caller
}

func newForge(c *Config, groups bool, header, credential string, root func(repository) string) (*forge, error) {
	r, err := parseRepository(c, groups)
	if err != nil {
		return nil, err
	}
	if err := need("Token", c.Token); err != nil {
		return nil, err
	}
	call, err := newCaller(c)
	if err != nil {
		return nil, err
	}
	login := func(req request) request { return req.with(header, credential) }
	return &forge{root: root(r), login: login, caller: call}, nil
}
