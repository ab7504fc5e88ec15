package provider

import (
	"context"
	"net/http"

	"github.com/gitopskit/gitopskit/notify"
)

// githubRepo returns the repository and the root of its REST API: api.github.com,
// or /api/v3 of another host.
func githubRepo(c *Config) (repository, string, error) {
	r, err := parseRepository(c, false)
	if err != nil {
		return r, "", err
	}
	if c.Token == "" && c.TokenSource == nil {
		return r, "", invalid("Token or TokenSource must be set")
	}
	root := r.base.String() + "/api/v3"
	if r.base.Host == "github.com" {
		root = "https://api.github.com"
	}
	return r, root + "/repos/" + r.owner() + "/" + r.name(), nil
}

// githubLogin is a function that adds the headers of GitHub's API.
func githubLogin(token string) func(request) request {
	return func(r request) request {
		r.header["Accept"] = "application/vnd.github+json"
		r.header["X-GitHub-Api-Version"] = "2022-11-28"
		return r.with("Authorization", "Bearer "+token)
	}
}

// github sets commit statuses: Address is the repository and Token, or
// TokenSource for an app, is required.
// https://docs.github.com/en/rest/commits/statuses
func github(c *Config) (notify.Sender, error) {
	_, root, err := githubRepo(c)
	if err != nil {
		return nil, err
	}
	call, err := newCaller(c)
	if err != nil {
		return nil, err
	}
	make := func(token string) *statusSender {
		return &statusSender{
			caller: call, login: githubLogin(token),
			seen: func(s status) request { return get(root + "/commits/" + s.commit + "/statuses?per_page=100") },
			same: func(body []byte, s status) bool {
				return latest(body, s, field("context"), field("state"), choose(s.failed, "success", "failure"))
			},
			set: func(s status) (request, error) {
				s.description = clip(s.description, 140)
				return asJSON(root+"/statuses/"+s.commit, struct {
					State       string `json:"state"`
					Context     string `json:"context"`
					Description string `json:"description"`
				}{choose(s.failed, "success", "failure"), s.context, s.description})
			},
		}
	}
	return &withToken{call, func(ctx context.Context, token string, d notify.Delivery) error { return make(token).Send(ctx, d) }, true}, nil
}

// withToken fetches the token anew for each message.
type withToken struct {
	*caller
	send  func(ctx context.Context, token string, d notify.Delivery) error
	dedup bool
}

// Send implements notify.Sender.
func (w *withToken) Send(ctx context.Context, d notify.Delivery) error {
	token, err := w.token(ctx)
	if err != nil {
		return w.mask.Error(&notify.SendError{Err: err})
	}
	return w.send(ctx, token, d)
}

// Deduplicates implements notify.Deduplicator.
func (w *withToken) Deduplicates() bool { return w.dedup }

// githubDispatch starts workflows that listen for repository_dispatch with the
// type Kind/name.namespace; the payload is the event.
// https://docs.github.com/en/rest/repos/repos#create-a-repository-dispatch-event
func githubDispatch(c *Config) (notify.Sender, error) {
	_, root, err := githubRepo(c)
	if err != nil {
		return nil, err
	}
	call, err := newCaller(c)
	if err != nil {
		return nil, err
	}
	return &withToken{call, func(ctx context.Context, token string, d notify.Delivery) error {
		o := d.Event.InvolvedObject
		r, err := asJSON(root+"/dispatches", struct {
			Type    string       `json:"event_type"`
			Payload notify.Event `json:"client_payload"`
		}{clip(o.Kind+"/"+o.Name+"."+o.Namespace, 100), d.Event})
		if err != nil {
			return &notify.SendError{Permanent: true, Err: err}
		}
		_, err = call.do(ctx, githubLogin(token)(r))
		return err
	}, false}, nil
}

// githubComment keeps one comment for each object on the pull request whose number
// is the event's metadata change_request.
// https://docs.github.com/en/rest/issues/comments
func githubComment(c *Config) (notify.Sender, error) {
	_, root, err := githubRepo(c)
	if err != nil {
		return nil, err
	}
	call, err := newCaller(c)
	if err != nil {
		return nil, err
	}
	return &withToken{call, func(ctx context.Context, token string, d notify.Delivery) error {
		return (&commenter{
			caller: call, login: githubLogin(token), id: "id", update: http.MethodPatch,
			list: func(number string, page int) string {
				return paged(root+"/issues/"+number+"/comments", "per_page", page)
			},
			one: func(_, id string) string { return root + "/issues/comments/" + id },
		}).comment(ctx, d)
	}, true}, nil
}
