package forge_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitopskit/gitopskit/imagepolicy/update"
	"github.com/gitopskit/gitopskit/imagepolicy/update/gitea"
	"github.com/gitopskit/gitopskit/imagepolicy/update/github"
	"github.com/gitopskit/gitopskit/imagepolicy/update/gitlab"
)

// server keeps pull requests behind the documented API of a forge.
type server struct {
	dialect
	open   []map[string]any
	seen   []string
	secret string
	rival  bool // another opens a request right before we do
	broken int  // the status that creating answers with
}

// dialect is what differs between forges.
type dialect struct {
	path           string // of the collection
	header, scheme string // of the token
	number, url    string // fields of an answer
	title, body    string
	from, into     string // fields of a new request
	change         string // method
	exists         int    // status
	filter         func(query map[string][]string, from, into string) bool
	nested         bool // branches are objects in answers
	make           func(url, token string) (update.PullRequests, error)
}

func dialects() map[string]dialect {
	return map[string]dialect{
		"github": {
			path: "/repos/org/fleet/pulls", header: "Authorization", scheme: "Bearer ", number: "number", url: "html_url",
			title: "title", body: "body", from: "head", into: "base", change: http.MethodPatch, exists: http.StatusUnprocessableEntity,
			filter: func(q map[string][]string, from, into string) bool {
				return q["state"][0] == "open" && q["head"][0] == "org:"+from && q["base"][0] == into
			},
			make: func(url, token string) (update.PullRequests, error) {
				return github.New(github.Options{Repository: "org/fleet", URL: url, Token: token})
			},
		},
		"gitlab": {
			path: "/api/v4/projects/org%2Fteam%2Ffleet/merge_requests", header: "Private-Token", number: "iid", url: "web_url",
			title: "title", body: "description", from: "source_branch", into: "target_branch", change: http.MethodPut, exists: http.StatusConflict,
			filter: func(q map[string][]string, from, into string) bool {
				return q["state"][0] == "opened" && q["source_branch"][0] == from && q["target_branch"][0] == into
			},
			make: func(url, token string) (update.PullRequests, error) {
				return gitlab.New(gitlab.Options{Project: "org/team/fleet", URL: url, Token: token})
			},
		},
		"gitea": {
			path: "/api/v1/repos/org/fleet/pulls", header: "Authorization", scheme: "token ", number: "number", url: "html_url",
			title: "title", body: "body", from: "head", into: "base", change: http.MethodPatch, exists: http.StatusConflict, nested: true,
			filter: func(q map[string][]string, _, _ string) bool { return q["state"][0] == "open" && q["page"][0] == "1" },
			make: func(url, token string) (update.PullRequests, error) {
				return gitea.New(gitea.Options{Repository: "org/fleet", URL: url, Token: token})
			},
		},
	}
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.seen = append(s.seen, r.Method)
	if r.Header.Get(s.header) != s.scheme+s.secret {
		s.answer(w, http.StatusUnauthorized, map[string]string{"message": "Bad credentials"})
		return
	}
	number, single := strings.CutPrefix(r.URL.EscapedPath(), s.path+"/")
	var in map[string]any
	if r.Method != http.MethodGet && json.NewDecoder(r.Body).Decode(&in) != nil {
		s.answer(w, http.StatusBadRequest, nil)
		return
	}
	switch {
	case r.Method == http.MethodGet && r.URL.EscapedPath() == s.path:
		found := []map[string]any{}
		for _, p := range s.open {
			if s.filter(r.URL.Query(), p["from"].(string), p["into"].(string)) {
				found = append(found, p)
			}
		}
		s.answer(w, http.StatusOK, found)
	case r.Method == http.MethodPost && r.URL.EscapedPath() == s.path:
		s.create(w, in)
	case r.Method == s.change && single:
		for _, p := range s.open {
			if fmt.Sprint(p[s.number]) == number {
				p[s.title], p[s.body] = in[s.title], in[s.body]
				s.answer(w, http.StatusOK, p)
				return
			}
		}
		fallthrough
	default:
		s.answer(w, http.StatusNotFound, nil)
	}
}

func (s *server) create(w http.ResponseWriter, in map[string]any) {
	if s.broken > 0 {
		s.answer(w, s.broken, map[string]any{"message": "Validation Failed", "errors": []any{map[string]string{"message": "No commits between main and x"}}})
		return
	}
	if s.rival {
		s.add(in[s.from], in[s.into], "by another", "")
	}
	for _, p := range s.open {
		if p["from"] == in[s.from] && p["into"] == in[s.into] {
			s.answer(w, s.exists, map[string]string{"message": "it exists"})
			return
		}
	}
	s.answer(w, http.StatusCreated, s.add(in[s.from], in[s.into], in[s.title], in[s.body]))
}

func (s *server) add(from, into, title, body any) map[string]any {
	n := len(s.open) + 1
	p := map[string]any{s.number: n, s.url: fmt.Sprintf("https://forge/%d", n), s.title: title, s.body: body, "from": from, "into": into}
	if s.nested {
		p["head"], p["base"] = map[string]any{"ref": from, "repo_id": 1}, map[string]any{"ref": into, "repo_id": 1}
	}
	s.open = append(s.open, p)
	return p
}

func (s *server) answer(w http.ResponseWriter, status int, body any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func TestPullRequests(t *testing.T) {
	for name, d := range dialects() {
		t.Run(name, func(t *testing.T) {
			s := &server{dialect: d, secret: "t0ken"}
			srv := httptest.NewServer(s)
			defer srv.Close()
			pulls, err := d.make(srv.URL+"/", "t0ken")
			if err != nil {
				t.Fatal(err)
			}
			s.add("other", "main", "not ours", "")
			want := update.PullRequest{Branch: "image-updates/a b", Base: "main", Title: "one", Body: "text"}
			open := func() update.Opened {
				t.Helper()
				got, err := pulls.Open(t.Context(), want)
				if err != nil {
					t.Fatal(err)
				}
				return got
			}
			if diff := cmp.Diff(update.Opened{Number: 2, URL: "https://forge/2", Created: true}, open()); diff != "" {
				t.Error(diff)
			}
			s.seen = nil
			if diff := cmp.Diff(update.Opened{Number: 2, URL: "https://forge/2"}, open()); diff != "" || len(s.seen) != 1 {
				t.Errorf("%v: %s", s.seen, diff)
			}
			want.Title = "two"
			if diff := cmp.Diff(update.Opened{Number: 2, URL: "https://forge/2"}, open()); diff != "" || s.open[1][d.title] != "two" {
				t.Errorf("%v: %s", s.open, diff)
			}
			want.Branch, s.rival = "contended", true
			if got := open(); got.Created || s.open[2][d.title] != "two" {
				t.Errorf("%+v, %v", got, s.open)
			}
			failures(t, s, pulls, srv.URL)
		})
	}
}

// failures checks what errors say, and that they do not say the token.
func failures(t *testing.T, s *server, pulls update.PullRequests, url string) {
	t.Helper()
	ok := update.PullRequest{Branch: "new", Base: "main", Title: "x"}
	s.broken = http.StatusUnprocessableEntity
	_, err := pulls.Open(t.Context(), ok)
	if err == nil || !strings.Contains(err.Error(), "No commits between main and x") {
		t.Errorf("got %v", err)
	}
	stranger, err := s.make(url, "s3cret")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Open(t.Context(), ok); err == nil || !strings.Contains(err.Error(), "401") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := pulls.Open(ctx, ok); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	for _, bad := range []update.PullRequest{{Base: "main", Title: "x"}, {Branch: "b", Title: "x"}, {Branch: "b", Base: "b", Title: "x"}, {Branch: "b", Base: "main"}} {
		if _, err := pulls.Open(t.Context(), bad); !errors.Is(err, update.ErrInvalid) {
			t.Errorf("%+v: got %v", bad, err)
		}
	}
	for _, bad := range []string{"http://git.example.com", "https://user:s3cret@git.example.com", "git.example.com", "ftp://x"} {
		if _, err := s.make(bad, "s3cret"); !errors.Is(err, update.ErrInvalid) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: got %v", bad, err)
		}
	}
	if _, err := s.make(url, ""); !errors.Is(err, update.ErrInvalid) {
		t.Errorf("without a token: got %v", err)
	}
}

// TestTokenStaysWithItsHost: a redirect is an error, not followed.
func TestTokenStaysWithItsHost(t *testing.T) {
	stolen := false
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen = true }))
	defer thief.Close()
	srv := httptest.NewServer(http.RedirectHandler(thief.URL, http.StatusTemporaryRedirect))
	defer srv.Close()
	for name, d := range dialects() {
		pulls, err := d.make(srv.URL, "t0ken")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pulls.Open(t.Context(), update.PullRequest{Branch: "b", Base: "main", Title: "x"}); err == nil || stolen {
			t.Errorf("%s: error %v, followed %v", name, err, stolen)
		}
	}
}
