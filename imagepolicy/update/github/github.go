// Package github opens pull requests on GitHub and GitHub Enterprise Server, by
// https://docs.github.com/rest/pulls/pulls.
//
//	pulls, err := github.New(github.Options{Repository: "org/fleet", Token: token})
//	if err != nil {
//		return err
//	}
//	result, err := update.Run(ctx, update.Options{PullRequests: pulls, Base: "main", …})
//
// It finds the open pull request of a branch and brings its title and body up to
// date, or opens one. It does not merge, and asks for no review. The token needs
// the permission to write pull requests.
package github

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/gitopskit/gitopskit/imagepolicy/update"
	"github.com/gitopskit/gitopskit/imagepolicy/update/internal/forge"
)

// Options says where the repository is.
type Options struct {
	// Repository is owner/name. Required.
	Repository string
	// Token is a personal access token, or that of an app's installation.
	// Required.
	Token string
	// URL is the API's; empty means https://api.github.com. That of a server of
	// one's own ends with /api/v3.
	URL string
	// Client sends the requests; nil is one that gives up after 30 s.
	Client *http.Client
}

// PullRequests implements update.PullRequests.
type PullRequests struct {
	api         *forge.API
	owner, name string
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
	api, err := forge.New(opts.URL, "https://api.github.com", opts.Client, http.Header{
		"Authorization": {"Bearer " + opts.Token}, "Accept": {"application/vnd.github+json"}, "X-Github-Api-Version": {"2022-11-28"},
	})
	if err != nil {
		return nil, err
	}
	return &PullRequests{api, owner, name}, nil
}

type pull struct {
	Number int    `json:"number"`
	URL    string `json:"html_url"`
	Title  string `json:"title"`
	Body   string `json:"body"`
}

// Open implements update.PullRequests.
func (r *PullRequests) Open(ctx context.Context, p update.PullRequest) (update.Opened, error) {
	opened, err := forge.Calls{Find: r.find, Create: r.create, Change: r.change}.Open(ctx, p)
	if err != nil {
		return opened, fmt.Errorf("github: %w", err)
	}
	return opened, nil
}

func (r *PullRequests) path() string {
	return "/repos/" + url.PathEscape(r.owner) + "/" + url.PathEscape(r.name) + "/pulls"
}

func (r *PullRequests) find(ctx context.Context, p update.PullRequest) (forge.Request, bool, error) {
	var open []pull
	query := url.Values{"state": {"open"}, "head": {r.owner + ":" + p.Branch}, "base": {p.Base}}
	if err := r.api.Do(ctx, http.MethodGet, r.path(), query, nil, &open); err != nil || len(open) == 0 {
		return forge.Request{}, false, err
	}
	return forge.Request(open[0]), true, nil
}

func (r *PullRequests) create(ctx context.Context, p update.PullRequest) (forge.Request, error) {
	var got pull
	in := map[string]string{"title": p.Title, "body": p.Body, "head": p.Branch, "base": p.Base}
	err := r.api.Do(ctx, http.MethodPost, r.path(), nil, in, &got)
	return forge.Request(got), err
}

func (r *PullRequests) change(ctx context.Context, number int, p update.PullRequest) (forge.Request, error) {
	var got pull
	in := map[string]string{"title": p.Title, "body": p.Body}
	err := r.api.Do(ctx, http.MethodPatch, fmt.Sprintf("%s/%d", r.path(), number), nil, in, &got)
	return forge.Request(got), err
}
