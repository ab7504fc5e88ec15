package git

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/archive"
)

// LFS says how files in Git LFS are fetched. Every file that is a pointer to
// one is replaced by it, whether or not .gitattributes names it. The file is
// checked against the pointer's SHA-256 and size.
type LFS struct {
	// URL is the LFS server's. Empty means the repository's own: its URL with
	// ".git/info/lfs" added or, for SSH, what git-lfs-authenticate says on the
	// server. A .lfsconfig in the repository is not obeyed, as it may name any
	// host. Submodules use their own repository's.
	URL string
	// Auth is for URL where that is on another host than the repository,
	// which never gets the repository's credentials.
	Auth Auth
	// MaxBytes is the most that the files of one artifact may have together.
	// Zero means 2 GiB.
	MaxBytes int64
}

const defaultMaxLFS = 2 << 30

// check returns what is wrong with the options.
func (l *LFS) check() error {
	if l == nil || l.URL == "" {
		return nil
	}
	e, err := parseURL(l.URL)
	if err != nil || e.scheme == "ssh" {
		return invalidf("LFS.URL must be like https://host/path, without user or password")
	}
	return l.Auth.check(e)
}

// pointer is what a repository holds in place of a file in LFS.
type pointer struct {
	oid  string // SHA-256 in hex
	size int64
}

// lfsID marks the ids of entries whose content is in LFS.
const lfsID = "lfs:"

// maxPointer is the size that pointers stay below, by LFS's specification.
const maxPointer = 1024

// parsePointer reads a pointer file (git-lfs, docs/spec.md). What is none is no
// error: it is a file like any other.
func parsePointer(data []byte) (p pointer, ok bool, err error) {
	version, rest, _ := strings.Cut(string(data), "\n")
	if version != "version https://git-lfs.github.com/spec/v1" && version != "version https://hawser.github.com/spec/v1" ||
		!strings.HasSuffix(rest, "\n") {
		return p, false, nil
	}
	sized, last, extended := false, "", false
	for line := range strings.Lines(rest) {
		key, value, found := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if !found || key <= last {
			return p, false, nil
		}
		last = key
		switch {
		case key == "oid":
			p.oid, _ = strings.CutPrefix(value, "sha256:")
		case key == "size":
			p.size, err = strconv.ParseInt(value, 10, 64)
			sized = err == nil && p.size >= 0
		case strings.HasPrefix(key, "ext-"):
			extended = true
		}
	}
	raw, err := hex.DecodeString(p.oid)
	if err != nil || len(raw) != 32 || strings.ToLower(p.oid) != p.oid || !sized {
		return p, false, nil
	}
	if extended {
		return p, false, invalidf("the LFS pointer wants an extension program, and none is run")
	}
	return p, true, nil
}

// part is a repository whose files are below a path: the source itself, or a
// submodule.
type part struct {
	prefix   string
	endpoint endpoint
	auth     Auth
}

// smudge replaces pointers by the files that they stand for, and returns what
// opens those too.
func (s *Source) smudge(ctx context.Context, parts []part, entries []archive.Entry, open archive.OpenFunc) ([]archive.Entry, archive.OpenFunc, error) {
	entries = slices.Clone(entries)
	wanted := map[int][]pointer{} // by part
	where := map[string]int{}     // part of an object
	budget := s.opts.LFS.MaxBytes
	if budget == 0 {
		budget = defaultMaxLFS
	}
	left := budget
	for i, e := range entries {
		p, ok, err := readPointer(ctx, e, open)
		if err != nil {
			return nil, nil, &source.Error{Op: "read LFS pointer", Ref: strconv.Quote(e.Path), Err: err}
		}
		if !ok {
			continue
		}
		entries[i].ID, entries[i].Size = lfsID+p.oid, p.size
		if _, known := where[p.oid]; known {
			continue
		}
		if p.size > left {
			return nil, nil, fmt.Errorf("%w: the files in LFS have more than %d bytes: set LFS.MaxBytes, or leave some out by Ignore or SparsePaths",
				source.ErrTooLarge, budget)
		}
		left -= p.size
		at := partOf(parts, e.Path)
		where[p.oid] = at
		wanted[at] = append(wanted[at], p)
	}
	servers := map[int]*lfsServer{}
	for at, pointers := range wanted {
		server, err := s.lfsServer(parts[at])
		if err == nil {
			err = server.bring(ctx, pointers)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("files in LFS: %w", err)
		}
		servers[at] = server
	}
	return entries, func(ctx context.Context, e archive.Entry) (io.ReadCloser, error) {
		id, ok := strings.CutPrefix(e.ID, lfsID)
		if !ok {
			return open(ctx, e)
		}
		return servers[where[id]].open(ctx, pointer{id, e.Size})
	}, nil
}

func readPointer(ctx context.Context, e archive.Entry, open archive.OpenFunc) (pointer, bool, error) {
	if !e.Mode.IsRegular() || e.Size == 0 || e.Size >= maxPointer {
		return pointer{}, false, nil
	}
	r, err := open(ctx, e)
	if err != nil {
		return pointer{}, false, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxPointer))
	if err != nil || !bytes.HasPrefix(data, []byte("version ")) {
		return pointer{}, false, err
	}
	return parsePointer(data)
}

// partOf finds the innermost repository that a path is in.
func partOf(parts []part, name string) int {
	best := 0
	for i, p := range parts {
		if strings.HasPrefix(name, p.prefix+"/") && len(p.prefix) > len(parts[best].prefix) {
			best = i
		}
	}
	return best
}

// lfsServer returns the server for the files of a repository. One that
// LFS.URL names gets the repository's credentials on the same origin only.
func (s *Source) lfsServer(p part) (*lfsServer, error) {
	own := p.endpoint.url == s.endpoint.url
	if s.opts.LFS.URL == "" || !own {
		return s.opts.Mirrors.lfsServer(p.endpoint, "", p.auth, s.opts.Proxy)
	}
	e, err := parseURL(s.opts.LFS.URL)
	if err != nil {
		return nil, err
	}
	auth := s.opts.LFS.Auth
	if e.scheme == p.endpoint.scheme && e.host == p.endpoint.host {
		auth = p.auth
	}
	return s.opts.Mirrors.lfsServer(e, e.url, auth, s.opts.Proxy)
}
