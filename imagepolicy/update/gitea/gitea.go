// Package gitea opens pull requests on Gitea and Forgejo, by
// https://docs.gitea.com/api/.
//
//	pulls, err := gitea.New(gitea.Options{URL: "https://git.example.com", Repository: "org/fleet", Token: token})
//	if err != nil {
//		return err
//	}
//	result, err := update.Run(ctx, update.Options{PullRequests: pulls, Base: "main", …})
//
// It finds the open pull request of a branch and brings its title and body up to
// date, or opens one. It does not merge. The token needs the scope write:issue and
// write:repository.
package gitea

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/gitopskit/gitopskit/imagepolicy/update"
	"github.com/gitopskit/gitopskit/imagepolicy/update/internal/forge"
)

// Options says where the repository is.
type Options struct {
	// URL is the server's. Required.
	URL string
	// Repository is owner/name. Required.
	Repository string
	// Token is an access token. Required.
	Token string
	// Client sends the requests; nil is one that gives up after 30 s.
	Client *http.Client
}

// PullRequests implements update.PullRequests.
type PullRequests struct {
	api  *forge.API
	path string
}

var _ update.PullRequests = (*PullRequests)(nil)

// New checks the options. It makes no request.
func New(opts Options) (*PullRequests, error) {
	owner, name, ok := strings.Cut(opts.Repository, "/")
	if !ok || owner == "" || name == "" || strings.Contains(name, "/") {
		return nil, forge.Invalid("Repository", "it must be owner/name")
	}
	if opts.Token == "" {
		return nil, forge.Invalid("Token", "it is required")
	}
	api, err := forge.New(opts.URL, "", opts.Client, http.Header{"Authorization": {"token " + opts.Token}, "Accept": {"application/json"}})
	if err != nil {
		return nil, err
	}
	return &PullRequests{api, "/api/v1/repos/" + url.PathEscape(owner) + "/" + url.PathEscape(name) + "/pulls"}, nil
}

type pull struct {
	Number int    `json:"number"`
	URL    string `json:"html_url"`
	Title  string `json:"title"`
	Body   string `json:"body"`
	Head   struct {
		Ref    string `json:"ref"`
		RepoID int    `json:"repo_id"`
	} `json:"head"`
	Base struct {
		Ref    string `json:"ref"`
		RepoID int    `json:"repo_id"`
	} `json:"base"`
}

const (
	pageSize = 50
	maxPages = 100
)

func (p pull) request() forge.Request {
	return forge.Request{Number: p.Number, URL: p.URL, Title: p.Title, Body: p.Body}
}

// Open implements update.PullRequests.
func (r *PullRequests) Open(ctx context.Context, p update.PullRequest) (update.Opened, error) {
	opened, err := forge.Calls{Find: r.find, Create: r.create, Change: r.change}.Open(ctx, p)
	if err != nil {
		return opened, fmt.Errorf("gitea: %w", err)
	}
	return opened, nil
}

// find looks through the open pull requests, which the API does not filter by
// branch; those of forks do not count.
func (r *PullRequests) find(ctx context.Context, p update.PullRequest) (forge.Request, bool, error) {
	for page := 1; page <= maxPages; page++ {
		var open []pull
		query := url.Values{"state": {"open"}, "page": {strconv.Itoa(page)}, "limit": {strconv.Itoa(pageSize)}}
		if err := r.api.Do(ctx, http.MethodGet, r.path, query, nil, &open); err != nil || len(open) == 0 {
			return forge.Request{}, false, err
		}
		for _, o := range open {
			if o.Head.Ref == p.Branch && o.Base.Ref == p.Base && o.Head.RepoID == o.Base.RepoID {
				return o.request(), true, nil
			}
		}
	}
	return forge.Request{}, false, nil
}

func (r *PullRequests) create(ctx context.Context, p update.PullRequest) (forge.Request, error) {
	var got pull
	in := map[string]string{"title": p.Title, "body": p.Body, "head": p.Branch, "base": p.Base}
	err := r.api.Do(ctx, http.MethodPost, r.path, nil, in, &got)
	return got.request(), err
}

func (r *PullRequests) change(ctx context.Context, number int, p update.PullRequest) (forge.Request, error) {
	var got pull
	in := map[string]string{"title": p.Title, "body": p.Body}
	err := r.api.Do(ctx, http.MethodPatch, fmt.Sprintf("%s/%d", r.path, number), nil, in, &got)
	return got.request(), err
}
