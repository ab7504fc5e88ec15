package receiver

import (
	"net/url"
	"path"
	"slices"
	"strings"
)

// Push is what a webhook says has changed: a reference of a Git repository, or a
// tag of an image.
type Push struct {
	// URLs are the ways to the repository that the sender names.
	URLs []string
	// Ref is the full reference, such as refs/heads/main. Several, where one
	// request tells of several.
	Refs []string
	// Before and After are commits, of the first reference.
	Before, After string
	// Files are those that the commits name, and AllFiles says that these
	// are all: senders list a bounded number of commits.
	Files    []string
	AllFiles bool
	// Image and Tags are of a registry: host/path without tag.
	Image string
	Tags  []string
}

// Use is what an object uses of a repository.
type Use struct {
	// URL of the repository.
	URL string
	// Branch, Tag or Name (a full reference); all empty means the branch
	// cannot be told, as with a semver range, where each tag matters.
	Branch, Tag, Name string
	// Tags says that any tag matters.
	Tags bool
	// Paths are folders; none means the whole repository.
	Paths []string
}

// Affects tells whether a push concerns who uses u. It says yes wherever it cannot
// be sure.
func (p *Push) Affects(u Use) bool {
	if p == nil {
		return true
	}
	if len(p.URLs) > 0 && u.URL != "" && !slices.ContainsFunc(p.URLs, func(s string) bool { return sameRepository(s, u.URL) }) {
		return false
	}
	if len(p.Refs) > 0 && !slices.ContainsFunc(p.Refs, u.wants) {
		return false
	}
	return p.touches(u.Paths)
}

func (u Use) wants(ref string) bool {
	switch {
	case u.Name != "":
		return ref == u.Name
	case u.Tags:
		return strings.HasPrefix(ref, "refs/tags/")
	case u.Tag != "":
		return ref == "refs/tags/"+u.Tag
	case u.Branch != "":
		return ref == "refs/heads/"+u.Branch
	}
	return true
}

func (p *Push) touches(folders []string) bool {
	if len(folders) == 0 || !p.AllFiles {
		return true
	}
	for _, folder := range folders {
		folder = strings.Trim(path.Clean("/"+folder), "/")
		for _, f := range p.Files {
			if folder == "" || f == folder || strings.HasPrefix(f, folder+"/") {
				return true
			}
		}
	}
	return false
}

// sameRepository compares host and path, whatever the scheme, user and port.
func sameRepository(a, b string) bool {
	x, okA := canonical(a)
	y, okB := canonical(b)
	return !okA || !okB || x == y
}

func canonical(s string) (string, bool) {
	if !strings.Contains(s, "://") {
		host, path, ok := strings.Cut(s, ":")
		if !ok {
			return "", false
		}
		s = "ssh://" + host + "/" + path
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return "", false
	}
	p := strings.TrimSuffix(strings.Trim(u.Path, "/"), ".git")
	return strings.ToLower(strings.TrimPrefix(u.Hostname(), "ssh.") + "/" + p), true
}

// FluxUse reads what a GitRepository of Flux uses; any other kind is not known.
func FluxUse(object map[string]any) (Use, bool) {
	spec, _ := object["spec"].(map[string]any)
	if kind, _ := object["kind"].(string); kind != "GitRepository" || spec == nil {
		return Use{}, false
	}
	ref, _ := spec["ref"].(map[string]any)
	text := func(m map[string]any, key string) string { s, _ := m[key].(string); return s }
	u := Use{URL: text(spec, "url")}
	switch {
	case text(ref, "name") != "":
		u.Name = text(ref, "name")
		if !strings.HasPrefix(u.Name, "refs/") {
			u.Name = "" // HEAD: which branch it is cannot be told
		}
	case text(ref, "semver") != "":
		u.Tags = true
	case text(ref, "tag") != "":
		u.Tag = text(ref, "tag")
	case text(ref, "branch") != "":
		u.Branch = text(ref, "branch")
	case text(ref, "commit") == "":
		u.Branch = "master" // the default of the API
	}
	folders, _ := spec["sparseCheckout"].([]any)
	for _, f := range folders {
		if s, ok := f.(string); ok {
			u.Paths = append(u.Paths, s)
		}
	}
	return u, u.URL != ""
}
