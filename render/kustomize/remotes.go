package kustomize

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"strings"
)

// Remotes is a Remote by a policy: it fetches what Allow lists, and refuses all else
// with ErrRemote. How is up to the functions; package source/git can do it, as
// examples/render shows.
type Remotes struct {
	// Allow lists hosts, with their port where a reference has one, such as
	// "github.com", or what begins with whole segments of a path, such as
	// "github.com/org". Empty allows nothing.
	Allow []string
	// AllowHTTP allows http:// too, where who is between can change what comes.
	AllowHTTP bool
	// Git fetches a repository; nil allows none.
	Git func(ctx context.Context, r Repository) (fs.FS, error)
	// File fetches one file, by https:// (or http://); nil allows none.
	File func(ctx context.Context, url string) ([]byte, error)
}

// FetchRemote implements Remote. A reference by HTTP that ends in .yaml, .yml or .json
// and has no mark of a repository (//, .git, _git/, ?ref=) means a file, and any
// other a repository.
func (r Remotes) FetchRemote(ctx context.Context, ref string) (fs.FS, string, error) {
	if u, ok := fileURL(ref); ok {
		if err := r.allows(u); err != nil || r.File == nil {
			return nil, "", refused(ref, err)
		}
		data, err := r.File(ctx, u.String())
		if err != nil {
			return nil, "", err
		}
		name := path.Base(u.Path)
		return oneFile{name, data}, name, nil
	}
	repo, err := ParseRepository(ref)
	if err != nil {
		return nil, "", err
	}
	u, err := url.Parse(repo.URL)
	if err == nil {
		err = r.allows(u)
	}
	if err != nil || r.Git == nil {
		return nil, "", refused(ref, err)
	}
	ctx, cancel := context.WithTimeout(ctx, repo.Timeout)
	defer cancel()
	fsys, err := r.Git(ctx, repo)
	return fsys, repo.Path, err
}

func refused(ref string, err error) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: %s is of a kind that is not fetched", ErrRemote, ref)
}

// allows says whether the policy lets u through.
func (r Remotes) allows(u *url.URL) error {
	if u.Scheme == "http" && !r.AllowHTTP {
		return fmt.Errorf("%w: %s is not encrypted; write https", ErrRemote, u.Redacted())
	}
	where := strings.ToLower(u.Host) + path.Clean("/"+u.Path)
	for _, allowed := range r.Allow {
		host, rest, _ := strings.Cut(strings.Trim(allowed, "/"), "/")
		prefix := strings.TrimSuffix(strings.ToLower(host)+"/"+rest, "/")
		if where == prefix || strings.HasPrefix(where, prefix+"/") {
			return nil
		}
	}
	return fmt.Errorf("%w: from %s%s", ErrRemote, u.Host, u.Path)
}

// fileURL reads a reference that means one file.
func fileURL(ref string) (*url.URL, bool) {
	u, err := url.Parse(strings.TrimSpace(ref))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return nil, false
	}
	switch path.Ext(u.Path) {
	case ".yaml", ".yml", ".json":
	default:
		return nil, false
	}
	q := u.Query()
	if strings.Contains(u.Path, "//") || strings.Contains(u.Path, ".git") || strings.Contains(u.Path, "_git/") || q.Has("ref") || q.Has("version") {
		return nil, false
	}
	return u, true
}

// oneFile is a file system with one file.
type oneFile struct {
	name string
	data []byte
}

// Open implements fs.FS.
func (f oneFile) Open(name string) (fs.File, error) {
	if name != f.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &openFile{bytes.NewReader(f.data), overlayInfo{name: f.name, size: int64(len(f.data))}}, nil
}

type openFile struct {
	*bytes.Reader
	info fs.FileInfo
}

// Stat implements fs.File.
func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }

// Close implements fs.File.
func (f *openFile) Close() error { return nil }
