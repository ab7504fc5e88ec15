package archive

import (
	"context"
	"io"
	"io/fs"
	"path"
	"strings"
	"unicode/utf8"
)

// Entry is one file, folder or symbolic link of a tree.
type Entry struct {
	// Path is relative to the tree's root, with forward slashes, as
	// fs.ValidPath wants it; never ".".
	Path string
	// Mode is 0644 or 0755 for files, fs.ModeDir|0755 for folders,
	// fs.ModeSymlink|0777 for symbolic links. Write normalises other bits.
	Mode fs.FileMode
	// Size is the file's length in bytes; 0 for folders and links.
	Size int64
	// ID names the file's content: equal IDs mean equal bytes. It is the key
	// under which compressed content is kept; empty means unknown.
	ID string
	// Target is what a symbolic link points to, as it is written.
	Target string
}

// OpenFunc opens the content of a file of a tree. It must be safe for
// concurrent use.
type OpenFunc func(ctx context.Context, e Entry) (io.ReadCloser, error)

// CheckPath returns an error that wraps ErrUnsafe unless name is a relative,
// clean, slash-separated path without "..", NUL, backslash or a Windows drive.
func CheckPath(name string) error {
	switch {
	case name == "" || name == ".":
		return unsafef("empty name")
	case strings.HasPrefix(name, "/"):
		return unsafef("absolute name")
	case strings.ContainsRune(name, '\\'):
		return unsafef("backslash in the name")
	case strings.ContainsRune(name, 0):
		return unsafef("NUL in the name")
	case len(name) > 1 && name[1] == ':':
		return unsafef("drive letter in the name")
	case len(name) > maxPathLength:
		return unsafef("name of %d bytes; at most %d are allowed", len(name), maxPathLength)
	case path.Clean(name) != name || name == ".." || strings.HasPrefix(name, "../"):
		return unsafef("name is not clean or leaves the folder")
	case !utf8.ValidString(name):
		return unsafef("name is not UTF-8")
	}
	return nil
}

// maxPathLength is what Linux takes (PATH_MAX less the NUL).
const maxPathLength = 4095

// maxLinkDepth is how many symbolic links one lookup may follow, as in Linux.
const maxLinkDepth = 40

// ResolveLinks follows the symbolic links in name, component by component as
// an operating system would, and returns the path that is reached. The
// function link returns the target of the link at a path, and false where
// there is none. A lookup that leaves the root or does not end gives an error
// that wraps ErrUnsafe.
func ResolveLinks(name string, link func(path string) (target string, ok bool)) (string, error) {
	done := ""
	rest := name
	followed := 0
	for rest != "" {
		part, tail, _ := strings.Cut(rest, "/")
		rest = tail
		switch part {
		case "", ".":
			continue
		case "..":
			if done == "" {
				return "", unsafef("%q leads outside the folder", name)
			}
			done = parent(done)
			continue
		}
		next := join(done, part)
		target, ok := link(next)
		if !ok {
			done = next
			continue
		}
		if followed++; followed > maxLinkDepth {
			return "", unsafef("%q follows more than %d symbolic links", name, maxLinkDepth)
		}
		if err := checkTarget(target); err != nil {
			return "", err
		}
		rest = join(target, rest)
	}
	if done == "" {
		return ".", nil
	}
	return done, nil
}

func checkTarget(target string) error {
	switch {
	case target == "":
		return unsafef("symbolic link to nothing")
	case strings.HasPrefix(target, "/"):
		return unsafef("symbolic link to the absolute path %q", target)
	case strings.ContainsAny(target, "\\\x00"):
		return unsafef("symbolic link to %q, which holds a backslash or NUL", target)
	case len(target) > 1 && target[1] == ':':
		return unsafef("symbolic link to the drive path %q", target)
	case len(target) > maxPathLength:
		return unsafef("symbolic link target of %d bytes", len(target))
	}
	return nil
}

func parent(p string) string {
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		return p[:i]
	}
	return ""
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	if b == "" {
		return a
	}
	return a + "/" + b
}

// IsGitName is true for single names that some file system takes for ".git" (the
// attacks of CVE-2014-9390 and CVE-2019-1352).
func IsGitName(name string) bool {
	folded := strings.ToLower(strings.TrimRight(stripIgnorable(name), " ."))
	return folded == ".git" || folded == "git~1" || strings.HasPrefix(folded, ".git::$")
}

// stripIgnorable removes the code points that HFS+ ignores in names.
func stripIgnorable(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 0x200c && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x206a && r <= 0x206f, r == 0xfeff:
			return -1
		}
		return r
	}, name)
}
