package provider

import (
	"net/http"

	"github.com/gitopskit/gitopskit/notify"
)

func gitlabRepo(c *Config) (*forge, error) {
	return newForge(c, true, "Private-Token", c.Token, func(r repository) string {
		return r.base.String() + "/api/v4/projects/" + r.escaped()
	})
}

// gitlab sets commit statuses: Address is the project and Token an access token,
// both required.
// https://docs.gitlab.com/api/commits/#set-commit-pipeline-status
func gitlab(c *Config) (notify.Sender, error) {
	f, err := gitlabRepo(c)
	if err != nil {
		return nil, err
	}
	return &statusSender{
		caller: f.caller, login: f.login,
		seen: func(s status) request {
			return get(f.root + "/repository/commits/" + s.commit + "/statuses?order_by=id&sort=desc&per_page=100")
		},
		same: func(body []byte, s status) bool {
			return latest(body, s, field("name"), field("status"), choose(s.failed, "success", "failed"))
		},
		set: func(s status) (request, error) {
			return asJSON(f.root+"/statuses/"+s.commit, struct {
				State       string `json:"state"`
				Name        string `json:"name"`
				Description string `json:"description"`
			}{choose(s.failed, "success", "failed"), clip(s.context, 255), clip(s.description, 255)})
		},
	}, nil
}

// gitlabComment keeps one note for each object on the merge request whose number
// is the event's metadata change_request.
// https://docs.gitlab.com/api/notes/#merge-requests
func gitlabComment(c *Config) (notify.Sender, error) {
	f, err := gitlabRepo(c)
	if err != nil {
		return nil, err
	}
	notes := func(number string) string { return f.root + "/merge_requests/" + number + "/notes" }
	return &commenter{
		caller: f.caller, login: f.login, id: "id", update: http.MethodPut,
		list: func(number string, page int) string { return paged(notes(number), "per_page", page) },
		one:  func(number, id string) string { return notes(number) + "/" + id },
	}, nil
}
