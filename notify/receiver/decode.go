package receiver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// decode reads JSON; form-encoded bodies of GitHub hold it in the field payload.
func decode(h http.Header, body []byte, into any) error {
	if strings.HasPrefix(h.Get("Content-Type"), "application/x-www-form-urlencoded") {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return fmt.Errorf("%w: form: %w", ErrMalformed, err)
		}
		body = []byte(form.Get("payload"))
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%w: body: %w", ErrMalformed, err)
	}
	return nil
}

func lacks(what string) error { return fmt.Errorf("%w: the body lacks %s", ErrMalformed, what) }

// changes are the files of a commit, as GitHub, Gitea and GitLab list them.
type changes struct {
	Added    []string `json:"added"`
	Removed  []string `json:"removed"`
	Modified []string `json:"modified"`
}

func (p *Push) addFiles(commits []changes) {
	for _, c := range commits {
		p.Files = append(append(append(p.Files, c.Added...), c.Removed...), c.Modified...)
	}
}

// maxCommits is how many commits GitHub and Gitea list at most; GitLab lists 20.
const (
	maxCommits       = 20
	maxGitHubCommits = 2048
)

const noCommit = "0000000000000000000000000000000000000000"

// decodeGitHub reads GitHub's and Gitea's push.
// https://docs.github.com/en/webhooks/webhook-events-and-payloads#push
func decodeGitHub(h http.Header, body []byte) (*Push, error) {
	var b struct {
		Ref, Before, After string
		Created, Forced    bool
		Total              int `json:"total_commits"`
		Commits            []changes
		Repository         struct {
			CloneURL string `json:"clone_url"`
			SSHURL   string `json:"ssh_url"`
			GitURL   string `json:"git_url"`
			HTMLURL  string `json:"html_url"`
		}
	}
	if err := decode(h, body, &b); err != nil || h.Get("X-GitHub-Event") != "push" {
		return nil, err
	}
	if b.Ref == "" {
		return nil, lacks("ref")
	}
	p := &Push{Refs: []string{b.Ref}, Before: b.Before, After: b.After, URLs: some(b.Repository.CloneURL, b.Repository.SSHURL, b.Repository.GitURL, b.Repository.HTMLURL)}
	p.addFiles(b.Commits)
	// A forced push may take files back that no commit names.
	whole := len(b.Commits) > 0 && len(b.Commits) < maxGitHubCommits && (b.Total == 0 || b.Total == len(b.Commits))
	p.AllFiles = whole && !b.Created && !b.Forced && b.Before != noCommit && b.After != noCommit
	if h.Get("X-Gitea-Event") != "" { // which tells of no force
		p.AllFiles = false
	}
	return p, nil
}

// decodeGitLab reads push and tag push events.
// https://docs.gitlab.com/user/project/integrations/webhook_events/#push-events
func decodeGitLab(h http.Header, body []byte) (*Push, error) {
	var b struct {
		Ref, Before, After string
		Total              int `json:"total_commits_count"`
		Commits            []changes
		Project            struct {
			HTTPURL string `json:"git_http_url"`
			SSHURL  string `json:"git_ssh_url"`
			WebURL  string `json:"web_url"`
		}
	}
	if err := decode(h, body, &b); err != nil {
		return nil, err
	}
	if e := h.Get("X-Gitlab-Event"); e != "Push Hook" && e != "Tag Push Hook" {
		return nil, nil //nolint:nilnil // no push
	}
	if b.Ref == "" {
		return nil, lacks("ref")
	}
	p := &Push{Refs: []string{b.Ref}, Before: b.Before, After: b.After, URLs: some(b.Project.HTTPURL, b.Project.SSHURL, b.Project.WebURL)}
	p.addFiles(b.Commits)
	// GitLab tells of no force either: the files of a push are not sure to be all.
	return p, nil
}

// decodeBitbucket reads repo:push of Bitbucket Cloud, and repo:refs_changed of
// Bitbucket Server.
// https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/#Push
func decodeBitbucket(h http.Header, body []byte) (*Push, error) {
	type ref struct{ Type, Name string }
	var b struct {
		Push struct {
			Changes []struct{ New, Old *ref }
		}
		Changes []struct {
			Ref struct{ ID string }
		}
		Repository struct {
			Links struct {
				HTML  struct{ Href string }
				Clone []struct{ Href string }
			}
		}
	}
	if err := decode(h, body, &b); err != nil {
		return nil, err
	}
	if e := h.Get("X-Event-Key"); e != "repo:push" && e != "repo:refs_changed" {
		return nil, nil //nolint:nilnil // no push
	}
	p := &Push{URLs: some(b.Repository.Links.HTML.Href)}
	for _, c := range b.Repository.Links.Clone {
		p.URLs = append(p.URLs, c.Href)
	}
	for _, c := range b.Push.Changes {
		for _, r := range []*ref{c.New, c.Old} {
			switch {
			case r == nil:
			case r.Type == "tag":
				p.Refs = append(p.Refs, "refs/tags/"+r.Name)
			default:
				p.Refs = append(p.Refs, "refs/heads/"+r.Name)
			}
		}
	}
	for _, c := range b.Changes {
		p.Refs = append(p.Refs, c.Ref.ID)
	}
	return p, nil
}

func some(ss ...string) []string {
	var out []string
	for _, s := range ss {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

// decodeHarbor reads https://goharbor.io/docs/2.12.0/working-with-projects/project-configuration/configure-webhooks/
func decodeHarbor(h http.Header, body []byte) (*Push, error) {
	var b struct {
		Type      string `json:"type"`
		EventData struct {
			Resources []struct {
				Tag string `json:"tag"`
				URL string `json:"resource_url"`
			} `json:"resources"`
		} `json:"event_data"`
	}
	if err := decode(h, body, &b); err != nil {
		return nil, err
	}
	p := &Push{}
	for _, r := range b.EventData.Resources {
		p.Image, _, _ = strings.Cut(strings.TrimSuffix(r.URL, ":"+r.Tag), "@")
		p.Tags = append(p.Tags, some(r.Tag)...)
	}
	return p, nil
}

// decodeNexus reads the component event of Sonatype Nexus Repository.
func decodeNexus(h http.Header, body []byte) (*Push, error) {
	var b struct {
		Action     string
		Repository string `json:"repositoryName"`
		Component  struct{ Name, Version string }
	}
	if err := decode(h, body, &b); err != nil {
		return nil, err
	}
	return &Push{Image: b.Component.Name, Tags: some(b.Component.Version)}, nil
}

// decodeDockerHub reads https://docs.docker.com/docker-hub/repos/manage/webhooks/
func decodeDockerHub(h http.Header, body []byte) (*Push, error) {
	var b struct {
		PushData   struct{ Tag string } `json:"push_data"`
		Repository struct {
			Name string `json:"repo_name"`
			URL  string `json:"repo_url"`
		}
	}
	if err := decode(h, body, &b); err != nil {
		return nil, err
	}
	if b.Repository.URL == "" {
		return nil, lacks("repository.repo_url")
	}
	return &Push{Image: "docker.io/" + b.Repository.Name, Tags: some(b.PushData.Tag)}, nil
}

// decodeQuay reads https://docs.projectquay.io/use_quay.html#repository-notifications
func decodeQuay(h http.Header, body []byte) (*Push, error) {
	var b struct {
		DockerURL   string   `json:"docker_url"`
		UpdatedTags []string `json:"updated_tags"`
	}
	if err := decode(h, body, &b); err != nil {
		return nil, err
	}
	if b.DockerURL == "" {
		return nil, lacks("docker_url")
	}
	return &Push{Image: b.DockerURL, Tags: b.UpdatedTags}, nil
}

// decodeACR reads https://learn.microsoft.com/en-us/azure/container-registry/container-registry-webhook-reference
func decodeACR(h http.Header, body []byte) (*Push, error) {
	var b struct {
		Action  string
		Target  struct{ Repository, Tag string }
		Request struct{ Host string }
	}
	if err := decode(h, body, &b); err != nil {
		return nil, err
	}
	if b.Target.Repository == "" {
		return nil, lacks("target.repository")
	}
	return &Push{Image: b.Request.Host + "/" + b.Target.Repository, Tags: some(b.Target.Tag)}, nil
}

// pubSubMessage is a push of Google Pub/Sub.
type pubSubMessage struct {
	Message struct {
		Data        []byte    `json:"data"`
		MessageID   string    `json:"messageId"`
		PublishTime time.Time `json:"publishTime"`
	} `json:"message"`
}

// decodeGCR reads the message of a registry in a push of Pub/Sub.
func decodeGCR(h http.Header, body []byte) (*Push, error) {
	var m pubSubMessage
	if err := decode(h, body, &m); err != nil {
		return nil, err
	}
	var b struct{ Action, Digest, Tag string }
	if err := json.Unmarshal(m.Message.Data, &b); err != nil {
		return nil, fmt.Errorf("%w: message.data: %w", ErrMalformed, err)
	}
	image, tag := b.Tag, ""
	if i := strings.LastIndex(b.Tag, ":"); i > strings.LastIndex(b.Tag, "/") {
		image, tag = b.Tag[:i], b.Tag[i+1:]
	}
	return &Push{Image: image, Tags: some(tag)}, nil
}

// decodeCDEvents checks that the body is the CDEvent that the headers announce.
// https://github.com/cdevents/spec/blob/main/cloudevents-binding.md
func decodeCDEvents(h http.Header, body []byte) (*Push, error) {
	for _, name := range []string{"Ce-Id", "Ce-Source", "Ce-Specversion", "Ce-Type"} {
		if _, ok := one(h, name); !ok {
			return nil, fmt.Errorf("%w: header %s is missing", ErrMalformed, name)
		}
	}
	var b struct {
		Context struct{ Type, ID, Source string }
		Subject map[string]any
	}
	if err := decode(h, body, &b); err != nil {
		return nil, err
	}
	if b.Context.Type != h.Get("Ce-Type") || b.Context.ID == "" || b.Subject == nil {
		return nil, lacks("context.id, subject or the context.type that the header Ce-Type names")
	}
	return nil, nil //nolint:nilnil // it says nothing of a push
}
