package provider

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/gitopskit/gitopskit/notify"
)

// azureGenre groups statuses at Azure DevOps.
const azureGenre = "fluxcd"

// azureDevOps sets commit statuses: Address is
// https://dev.azure.com/ORGANIZATION/PROJECT/_git/NAME and Token a personal access
// token, both required.
// https://learn.microsoft.com/en-us/rest/api/azure/devops/git/statuses/create
func azureDevOps(c *Config) (notify.Sender, error) {
	r, err := parseRepository(c, true)
	if err != nil {
		return nil, err
	}
	if err := need("Token", c.Token); err != nil {
		return nil, err
	}
	project, name, ok := strings.Cut(r.path, "/_git/")
	if !ok || name == "" || strings.Contains(name, "/") {
		return nil, invalid("Address must be like https://dev.azure.com/organization/project/_git/name")
	}
	call, err := newCaller(c)
	if err != nil {
		return nil, err
	}
	root := r.base.JoinPath(project).String() + "/_apis/git/repositories/" + url.PathEscape(name) + "/commits/"
	type statusContext struct {
		Name  string `json:"name"`
		Genre string `json:"genre"`
	}
	type gitStatus struct {
		State       string        `json:"state"`
		Description string        `json:"description"`
		Context     statusContext `json:"context"`
	}
	const version = "api-version=7.1"
	return &statusSender{
		caller: call, login: func(r request) request { return r.with("Authorization", basic("", c.Token)) },
		seen: func(s status) request {
			return get(root + s.commit + "/statuses?latestOnly=true&" + version)
		},
		same: func(body []byte, s status) bool {
			var got struct{ Value []gitStatus }
			if json.Unmarshal(body, &got) != nil {
				return false
			}
			for _, v := range got.Value {
				if v.Context.Name == s.context && v.Context.Genre == azureGenre {
					return v.State == choose(s.failed, "succeeded", "failed") && v.Description == s.description
				}
			}
			return false
		},
		set: func(s status) (request, error) {
			return asJSON(root+s.commit+"/statuses?"+version, gitStatus{
				State: choose(s.failed, "succeeded", "failed"), Description: s.description, Context: statusContext{s.context, azureGenre},
			})
		},
	}, nil
}
