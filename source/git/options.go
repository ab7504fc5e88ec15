package git

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/gitopskit/gitopskit/source"
)

// Options describes a repository, the state of it that is wanted, and which of
// its files.
type Options struct {
	// URL is where the repository is: http://, https:// or
	// ssh://[user@]host[:port]/path. Required. It must hold no password.
	URL string
	// Reference is the state that is wanted; the zero value is branch master.
	Reference Reference
	// Auth is what the server asks for.
	Auth Auth
	// Proxy is used to reach the server, instead of what HTTPS_PROXY,
	// HTTP_PROXY and NO_PROXY say.
	Proxy Proxy
	// Transport is what speaks to the server; empty means TransportGoGit.
	Transport Transport
	// Mirrors is where repositories are kept. Required. Sources with equal
	// URL, Auth and Proxy share one mirror and one listing of references.
	Mirrors *Mirrors

	// Verify makes Fetch check signatures; nil checks none.
	Verify *Verify

	// Submodules fetches the repositories that .gitmodules names and puts
	// their files in place; else a submodule is an empty folder. Auth is used
	// for those on the same scheme, host and port, and for no other.
	Submodules bool
	// SubmoduleAuth holds credentials for submodules on other hosts, by
	// host or host:port as the URL has it.
	SubmoduleAuth map[string]Auth

	// LFS puts the files that Git LFS keeps apart in place of their pointers;
	// nil leaves the pointers.
	LFS *LFS

	// Ignore holds patterns in the syntax of .gitignore for files that are
	// left out; they win over the repository's .sourceignore files.
	Ignore string
	// NoDefaultIgnore keeps images, archives and CI files, which are left out
	// as long as there is neither an Ignore nor a .sourceignore.
	NoDefaultIgnore bool
	// SparsePaths are the folders that are wanted; empty means all. One that
	// does not exist is an error.
	SparsePaths []string

	// MaxListingAge is how old a listing of the server's references may be
	// that Resolve uses. Zero: one that began after Resolve was called.
	MaxListingAge time.Duration
	// Timeout bounds each Resolve and each Fetch. Zero means 60 s, negative
	// none.
	Timeout time.Duration
	// MaxFiles is the most files an artifact may have. Zero means 200,000.
	MaxFiles int
	// MaxBytes is the most that the files of an artifact may have together,
	// those in LFS not counted. Zero means 16 GiB.
	MaxBytes int64
	// Logger hears of recoveries; nil discards.
	Logger *slog.Logger
}

// Reference says which commit is wanted. Where several fields are set, the
// first of Commit, Name, Tag, SemVer, Branch counts; Branch beside Commit is
// where the commit is looked for and what the revision is called.
type Reference struct {
	// Commit is a full commit id in hex.
	Commit string
	// Name is a full reference name, such as "refs/pull/42/head".
	Name string
	// Tag is the name of a tag, annotated or not.
	Tag string
	// SemVer is a range, such as ">=1.2.0 <2.0.0"; the highest tag in it
	// counts. Tags that are no versions are passed over. Of equal versions
	// that differ in build metadata the newest commit counts.
	SemVer string
	// TagFilter is a regular expression that a tag must match to be looked
	// at by SemVer. If it has a group named "version", that part of the tag
	// is the version: `^app-(?P<version>.*)$`.
	TagFilter string
	// PreReleases lets SemVer take pre-releases although the range names
	// none.
	PreReleases bool
	// Branch is the name of a branch. Default "master".
	Branch string
}

// Proxy is a server that connections go through.
type Proxy struct {
	// URL is http://, https:// or socks5:// and host:port.
	URL string
	// Username and Password are optional.
	Username, Password string
}

const (
	defaultTimeout  = 60 * time.Second
	defaultMaxFiles = 200_000
	defaultMaxBytes = 16 << 30
)

func invalidf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", source.ErrInvalid, fmt.Sprintf(format, args...))
}

// endpoint is a checked URL.
type endpoint struct {
	scheme, user, host, path string
	url                      string // without credentials
}

func parseURL(raw string) (endpoint, error) {
	if raw == "" {
		return endpoint{}, invalidf("set Options.URL")
	}
	if !strings.Contains(raw, "://") {
		return endpoint{}, invalidf("the URL has no scheme: write https://host/path, or ssh://git@host/path for git@host:path")
	}
	u, err := url.Parse(raw)
	if err != nil {
		var ue *url.Error // its text repeats the URL, which may hold a password
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return endpoint{}, invalidf("the URL cannot be read: %v", err)
	}
	if _, has := u.User.Password(); has {
		return endpoint{}, invalidf("the URL holds a password: set it in Options.Auth")
	}
	e := endpoint{scheme: u.Scheme, user: u.User.Username(), host: u.Host, path: u.Path}
	switch u.Scheme {
	case "http", "https":
		if e.user != "" {
			return endpoint{}, invalidf("the URL holds a user name: set it in Options.Auth")
		}
		if u.RawQuery != "" || u.Fragment != "" {
			return endpoint{}, invalidf("the URL has a query or fragment")
		}
	case "ssh":
		if e.user == "" {
			e.user = "git"
		}
	default:
		return endpoint{}, invalidf("the scheme %q is not supported: use https, http or ssh", u.Scheme)
	}
	if u.Hostname() == "" || strings.Trim(e.path, "/") == "" {
		return endpoint{}, invalidf("the URL names no host or no repository")
	}
	if strings.HasPrefix(u.Hostname(), "-") || strings.HasPrefix(e.user, "-") || strings.ContainsAny(raw, "\x00\n\r") {
		return endpoint{}, invalidf("the URL holds characters that are not allowed in it")
	}
	u.User = nil
	if e.scheme == "ssh" {
		u.User = url.User(e.user)
	}
	e.url = u.String()
	return e, nil
}
