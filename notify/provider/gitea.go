package provider

import (
	"net/http"

	"github.com/gitopskit/gitopskit/notify"
)

func giteaRepo(c *Config) (string, func(request) request, error) {
	r, err := parseRepository(c, false)
	if err != nil {
		return "", nil, err
	}
	if err := need("Token", c.Token); err != nil {
		return "", nil, err
	}
	login := func(r request) request { return r.with("Authorization", "token "+c.Token) }
	return r.base.String() + "/api/v1/repos/" + r.owner() + "/" + r.name(), login, nil
}

// gitea sets commit statuses at Gitea and Forgejo: Address is the repository and
// Token an access token, both required.
// https://docs.gitea.com/api/ (repoCreateStatus)
func gitea(c *Config) (notify.Sender, error) {
	root, login, err := giteaRepo(c)
	if err != nil {
		return nil, err
	}
	call, err := newCaller(c)
	if err != nil {
		return nil, err
	}
	return &statusSender{
		caller: call, login: login,
		seen: func(s status) request { return get(root + "/commits/" + s.commit + "/statuses?limit=50") },
		same: func(body []byte, s status) bool {
			return latest(body, s, field("context"), field("status"), choose(s.failed, "success", "failure"))
		},
		set: func(s status) (request, error) {
			return asJSON(root+"/statuses/"+s.commit, struct {
				State       string `json:"state"`
				Context     string `json:"context"`
				Description string `json:"description"`
			}{choose(s.failed, "success", "failure"), s.context, s.description})
		},
	}, nil
}

// giteaComment keeps one comment for each object on the pull request whose number
// is the event's metadata change_request.
func giteaComment(c *Config) (notify.Sender, error) {
	root, login, err := giteaRepo(c)
	if err != nil {
		return nil, err
	}
	call, err := newCaller(c)
	if err != nil {
		return nil, err
	}
	return &commenter{
		caller: call, login: login, id: "id", update: http.MethodPatch, unpaged: true,
		list: func(number string, _ int) string { return root + "/issues/" + number + "/comments" },
		one:  func(_, id string) string { return root + "/issues/comments/" + id },
	}, nil
}
