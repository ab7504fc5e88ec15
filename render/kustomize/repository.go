package kustomize

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Repository is what a reference to a Git repository means.
type Repository struct {
	// URL is https://…, http://… or ssh://[user@]host[:port]/…, without
	// a password.
	URL string
	// Path is the folder in the repository; "." is its root.
	Path string
	// Ref is a branch, a tag or a commit; empty is what the server's HEAD is.
	Ref string
	// Timeout is what the reference asks for; 27 s where it does not, as in
	// kustomize.
	Timeout time.Duration
	// Submodules are wanted unless the reference says that they are not.
	Submodules bool
}

const gitTimeout = 27 * time.Second

// scpForm is [user@]host:path, without a scheme.
var scpForm = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]*@)?([A-Za-z0-9.-]+):([^/].*)$`)

// ParseRepository reads a reference to a Git repository as kustomize does: a URL, or
// user@host:path, or github.com/…; the folder stands behind //, .git or
// _git/NAME, or else behind the first two segments of the path; ?ref= (or version=),
// timeout= and submodules= may follow. Repositories on this machine (file://) are
// refused with ErrRemote, and what is none of these with ErrInvalid.
func ParseRepository(ref string) (Repository, error) {
	text, query, _ := strings.Cut(strings.TrimSpace(ref), "?")
	if len(text) >= 5 && strings.EqualFold(text[:5], "git::") {
		text = text[5:]
	}
	lower := strings.ToLower(text)
	switch {
	case strings.HasPrefix(lower, "github.com/"):
		text = "https://" + text
	case strings.HasPrefix(lower, "github.com:"):
		text = "https://github.com/" + text[len("github.com:"):]
	case !strings.Contains(text, "://"):
		parts := scpForm.FindStringSubmatch(text)
		if parts == nil || parts[1] == "" {
			return Repository{}, fmt.Errorf("%w: %s is no reference to a repository", ErrInvalid, ref)
		}
		text = "ssh://" + parts[1] + parts[2] + "/" + parts[3]
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" && u.Scheme != "file" {
		return Repository{}, fmt.Errorf("%w: %s is no reference to a repository", ErrInvalid, ref)
	}
	if err := checkRepository(u); err != nil {
		return Repository{}, err
	}
	return split(u, query)
}

func checkRepository(u *url.URL) error {
	switch u.Scheme {
	case "https", "http", "ssh":
	default:
		return fmt.Errorf("%w: by %s://", ErrRemote, u.Scheme)
	}
	if _, has := u.User.Password(); has {
		return fmt.Errorf("%w: a reference with a password, at %s", ErrRemote, u.Host)
	}
	return nil
}

// split finds where the repository's path ends and the folder's begins.
func split(u *url.URL, query string) (Repository, error) {
	repo, folder := splitPath(strings.TrimPrefix(u.Path, "/"))
	folder = path.Clean(strings.TrimLeft(folder, "/"))
	if repo == "" || repo[0] == '/' || folder == ".." || strings.HasPrefix(folder, "../") {
		return Repository{}, fmt.Errorf("%w: %s names no folder of a repository", ErrInvalid, u.Redacted())
	}
	at := url.URL{Scheme: u.Scheme, User: u.User, Host: u.Host, Path: "/" + repo}
	if u.Scheme != "ssh" {
		at.User = nil // a user alone logs nobody in
	}
	r := Repository{URL: at.String(), Path: folder, Timeout: gitTimeout, Submodules: true}
	values, err := url.ParseQuery(query)
	if err != nil {
		return r, nil //nolint:nilerr // as kustomize does
	}
	if r.Ref = values.Get("ref"); r.Ref == "" {
		r.Ref = values.Get("version")
	}
	if seconds, err := strconv.Atoi(values.Get("timeout")); err == nil && seconds > 0 {
		r.Timeout = time.Duration(seconds) * time.Second
	} else if d, err := time.ParseDuration(values.Get("timeout")); err == nil && d > 0 {
		r.Timeout = d
	}
	if b, err := strconv.ParseBool(values.Get("submodules")); err == nil {
		r.Submodules = b
	}
	return r, nil
}

func splitPath(p string) (repo, folder string) {
	const azure = "_git/"
	if i := strings.Index(p, azure); i >= 0 {
		name, rest, _ := strings.Cut(p[i+len(azure):], "/")
		return p[:i+len(azure)] + name, rest
	}
	if repo, folder, ok := strings.Cut(p, "//"); ok {
		return repo, folder
	}
	if i := strings.Index(p, ".git"); i >= 0 {
		return p[:i+len(".git")], p[i+len(".git"):]
	}
	parts := strings.SplitN(p, "/", 3)
	if len(parts) < 2 {
		return "", ""
	}
	if len(parts) == 2 {
		return p, ""
	}
	return parts[0] + "/" + parts[1], parts[2]
}
