// Package gitlab opens merge requests on GitLab, by
// https://docs.gitlab.com/api/merge_requests/.
//
//	merges, err := gitlab.New(gitlab.Options{Project: "group/fleet", Token: token})
//	if err != nil {
//		return err
//	}
//	result, err := update.Run(ctx, update.Options{PullRequests: merges, Base: "main", …})
//
// It finds the open merge request of a branch and brings its title and description
// up to date, or opens one, which removes the branch when it is merged. It does not
// merge. The token needs the scope api.
package gitlab

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/gitopskit/gitopskit/imagepolicy/update"
	"github.com/gitopskit/gitopskit/imagepolicy/update/internal/forge"
)

// Options says where the project is.
type Options struct {
	// Project is its path with all groups, or its number. Required.
	Project string
	// Token is a personal, group or project access token. Required.
	Token string
	// URL is the server's; empty means https://gitlab.com.
	URL string
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
	if strings.Trim(opts.Project, "/") == "" {
		return nil, forge.Invalid("Project", "it is required, such as group/name")
	}
	if opts.Token == "" {
		return nil, forge.Invalid("Token", "it is required")
	}
	api, err := forge.New(opts.URL, "https://gitlab.com", opts.Client, http.Header{"Private-Token": {opts.Token}})
	if err != nil {
		return nil, err
	}
	return &PullRequests{api, "/api/v4/projects/" + url.PathEscape(strings.Trim(opts.Project, "/")) + "/merge_requests"}, nil
}

type merge struct {
	Number int    `json:"iid"`
	URL    string `json:"web_url"`
	Title  string `json:"title"`
	Body   string `json:"description"`
}

// Open implements update.PullRequests.
func (r *PullRequests) Open(ctx context.Context, p update.PullRequest) (update.Opened, error) {
	opened, err := forge.Calls{Find: r.find, Create: r.create, Change: r.change}.Open(ctx, p)
	if err != nil {
		return opened, fmt.Errorf("gitlab: %w", err)
	}
	return opened, nil
}

func (r *PullRequests) find(ctx context.Context, p update.PullRequest) (forge.Request, bool, error) {
	var open []merge
	query := url.Values{"state": {"opened"}, "source_branch": {p.Branch}, "target_branch": {p.Base}}
	if err := r.api.Do(ctx, http.MethodGet, r.path, query, nil, &open); err != nil || len(open) == 0 {
		return forge.Request{}, false, err
	}
	return forge.Request(open[0]), true, nil
}

func (r *PullRequests) create(ctx context.Context, p update.PullRequest) (forge.Request, error) {
	var got merge
	err := r.api.Do(ctx, http.MethodPost, r.path, nil, map[string]any{
		"source_branch": p.Branch, "target_branch": p.Base, "title": p.Title, "description": p.Body, "remove_source_branch": true,
	}, &got)
	return forge.Request(got), err
}

func (r *PullRequests) change(ctx context.Context, number int, p update.PullRequest) (forge.Request, error) {
	var got merge
	in := map[string]string{"title": p.Title, "description": p.Body}
	err := r.api.Do(ctx, http.MethodPut, fmt.Sprintf("%s/%d", r.path, number), nil, in, &got)
	return forge.Request(got), err
}
