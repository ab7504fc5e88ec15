package git

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/gitopskit/gitopskit/source"
)

// lfsAccess returns what finds the LFS server of a repository, or the one at
// the URL if it is not empty (git-lfs, docs/api/server-discovery.md).
func (m *Mirrors) lfsAccess(e endpoint, at string, auth Auth, p Proxy) (func(context.Context) (lfsAccess, error), error) {
	if e.scheme == "ssh" {
		d, err := newSSHDialer(e, auth, p)
		if err != nil {
			return nil, err
		}
		return d.lfsAccess, nil
	}
	if at == "" {
		at = strings.TrimSuffix(strings.TrimSuffix(e.url, "/"), ".git") + ".git/info/lfs"
	}
	u, err := url.Parse(at)
	if err != nil {
		return nil, invalidf("the URL of the LFS server cannot be read")
	}
	login, _, err := m.login(auth, p)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (lfsAccess, error) {
		now, err := login(ctx)
		return lfsAccess{u, now.header()}, err
	}, nil
}

// lfsAccess asks the SSH server, which gives credentials for a short time.
func (d sshDialer) lfsAccess(ctx context.Context) (lfsAccess, error) {
	client, err := d.dial(ctx)
	if err != nil {
		return lfsAccess{}, err
	}
	defer client.Close()
	stop := context.AfterFunc(ctx, func() { _ = client.Close() })
	defer stop()
	session, err := client.NewSession()
	if err != nil {
		return lfsAccess{}, fmt.Errorf("%w: %w", source.ErrUnreachable, err)
	}
	defer session.Close()
	out, errs := &cappedBuffer{max: maxErrorBody}, &stderrText{}
	session.Stdout, session.Stderr = io.Writer(out), errs
	err = session.Run("git-lfs-authenticate " + quoteIfNeeded(strings.TrimPrefix(remotePath(d.endpoint.path), "/")) + " download")
	if ctx.Err() != nil {
		return lfsAccess{}, context.Cause(ctx)
	}
	if err != nil {
		return lfsAccess{}, fmt.Errorf("%w: the server runs no git-lfs-authenticate: set LFS.URL; it says: %s", source.ErrUnreachable, errs)
	}
	return parseLFSAccess(out.Bytes())
}

// quoteIfNeeded leaves plain paths as git-lfs sends them; some servers split
// the command at spaces and no more.
func quoteIfNeeded(path string) string {
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("/._-~", c)
	}
	if strings.TrimFunc(path, plain) == "" && !strings.HasPrefix(path, "-") {
		return path
	}
	return shellQuote(path)
}

func parseLFSAccess(data []byte) (lfsAccess, error) {
	var answer struct {
		Href   string            `json:"href"`
		Header map[string]string `json:"header"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return lfsAccess{}, fmt.Errorf("%w: the answer of git-lfs-authenticate is no JSON", source.ErrUnreachable)
	}
	u, err := url.Parse(answer.Href)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return lfsAccess{}, fmt.Errorf("%w: git-lfs-authenticate names no URL of an LFS server", source.ErrUnreachable)
	}
	h := http.Header{}
	for key, value := range answer.Header {
		h.Set(key, value)
	}
	return lfsAccess{u, h}, nil
}
