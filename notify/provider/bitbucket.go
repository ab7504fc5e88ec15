package provider

import (
	"encoding/json"
	"strings"

	"github.com/gitopskit/gitopskit/notify"
)

// bitbucket sets build statuses at Bitbucket Cloud: Address is the repository and
// Token USER:APP_PASSWORD or an access token, both required.
// https://developer.atlassian.com/cloud/bitbucket/rest/api-group-commit-statuses/
func bitbucket(c *Config) (notify.Sender, error) {
	r, err := parseRepository(c, false)
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
	root := r.base.String()
	if r.base.Host == "bitbucket.org" {
		root = "https://api.bitbucket.org"
	}
	build := func(s status) string {
		return root + "/2.0/repositories/" + r.owner() + "/" + r.name() + "/commit/" + s.commit + "/statuses/build"
	}
	return &statusSender{
		caller: call, login: basicOrBearer(c),
		seen: func(s status) request { return get(build(s) + "/" + sha1Hex(s.context)) },
		same: func(body []byte, s status) bool {
			var got struct{ State, Description string }
			return json.Unmarshal(body, &got) == nil && got.State == choose(s.failed, "SUCCESSFUL", "FAILED") && got.Description == s.description
		},
		set: func(s status) (request, error) {
			return asJSON(build(s), buildStatus{
				Key: sha1Hex(s.context), State: choose(s.failed, "SUCCESSFUL", "FAILED"), Name: s.context,
				Description: s.description, URL: r.base.String() + "/" + r.path,
			})
		},
	}, nil
}

type buildStatus struct {
	Key         string `json:"key"`
	State       string `json:"state"`
	Name        string `json:"name"`
	Description string `json:"description"`
	URL         string `json:"url"`
}

// bitbucketServer sets build statuses at Bitbucket Server and Data Center: Address
// is https://HOST/scm/PROJECT/NAME.git or https://HOST/projects/PROJECT/repos/NAME,
// and Token, or Username and Password, is required.
// https://developer.atlassian.com/server/bitbucket/rest/v811/api-group-builds-and-deployments/
func bitbucketServer(c *Config) (notify.Sender, error) {
	r, err := parseRepository(c, true)
	if err != nil {
		return nil, err
	}
	if c.Token == "" && (c.Username == "" || c.Password == "") {
		return nil, invalid("Token, or Username and Password must be set")
	}
	call, err := newCaller(c)
	if err != nil {
		return nil, err
	}
	context, project, name, err := bitbucketProject(r.path)
	if err != nil {
		return nil, err
	}
	build := func(s status) string {
		return r.base.String() + context + "/rest/api/latest/projects/" + project + "/repos/" + name + "/commits/" + s.commit + "/builds"
	}
	login := basicOrBearer(c)
	return &statusSender{
		caller: call, login: func(r request) request { return login(r.with("X-Atlassian-Token", "no-check")) },
		seen: func(s status) request { return get(build(s) + "?key=" + sha1Hex(s.context)) },
		same: func(body []byte, s status) bool {
			var got struct{ State, Description string }
			return json.Unmarshal(body, &got) == nil && got.State == choose(s.failed, "SUCCESSFUL", "FAILED") && got.Description == s.description
		},
		set: func(s status) (request, error) {
			return asJSON(build(s), buildStatus{
				Key: sha1Hex(s.context), State: choose(s.failed, "SUCCESSFUL", "FAILED"), Name: s.context,
				Description: s.description, URL: r.base.String(),
			})
		},
	}, nil
}

// bitbucketProject splits [CONTEXT/]scm/PROJECT/NAME, [CONTEXT/]projects/PROJECT/repos/NAME
// and PROJECT/NAME.
func bitbucketProject(path string) (context, project, name string, err error) {
	parts := strings.Split(path, "/")
	n := len(parts)
	switch {
	case n >= 4 && parts[n-4] == "projects" && parts[n-2] == "repos":
		context, project, name = strings.Join(parts[:n-4], "/"), parts[n-3], parts[n-1]
	case n >= 3 && parts[n-3] == "scm":
		context, project, name = strings.Join(parts[:n-3], "/"), parts[n-2], parts[n-1]
	case n == 2:
		project, name = parts[0], parts[1]
	default:
		return "", "", "", invalid("Address must be like https://host/scm/PROJECT/name.git")
	}
	if context != "" {
		context = "/" + context
	}
	return context, project, name, nil
}
