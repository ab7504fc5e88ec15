package provider

import (
	"net/http"

	"github.com/gitopskit/gitopskit/notify"
)

func giteaRepo(c *Config) (*forge, error) {
	return newForge(c, false, "Authorization", "token "+c.Token, func(r repository) string {
		return r.base.String() + "/api/v1/repos/" + r.owner() + "/" + r.name()
	})
}

// gitea sets commit statuses at Gitea and Forgejo: Address is the repository and
// Token an access token, both required.
// https://docs.gitea.com/api/ (repoCreateStatus)
func gitea(c *Config) (notify.Sender, error) {
	f, err := giteaRepo(c)
	if err != nil {
		return nil, err
	}
	return &statusSender{
		caller: f.caller, login: f.login,
		seen: func(s status) request { return get(f.root + "/commits/" + s.commit + "/statuses?limit=50") },
		same: func(body []byte, s status) bool {
			return latest(body, s, field("context"), field("status"), choose(s.failed, "success", "failure"))
		},
		set: func(s status) (request, error) {
			return asJSON(f.root+"/statuses/"+s.commit, struct {
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
	f, err := giteaRepo(c)
	if err != nil {
		return nil, err
	}
	return &commenter{
		caller: f.caller, login: f.login, id: "id", update: http.MethodPatch, unpaged: true,
		list: func(number string, _ int) string { return f.root + "/issues/" + number + "/comments" },
		one:  func(_, id string) string { return f.root + "/issues/comments/" + id },
	}, nil
}
