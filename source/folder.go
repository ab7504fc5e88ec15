package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"

	"github.com/gitopskit/gitopskit/source/archive"
)

// FromFS makes an artifact of a file system, such as os.DirFS of a folder. It
// reads all files once, for their digests, and reads them again when they are
// used: the folder must not change meanwhile. The rules ignore, which must be
// fresh, leave files out; nil keeps everything but Git's own folder.
func FromFS(fsys fs.FS, revision Revision, ignore *archive.Ignore) (*Artifact, error) {
	if ignore == nil {
		// Taking all in again leaves out nothing but .git.
		ignore = archive.NewIgnore(archive.IgnoreOptions{Patterns: "!*", NoDefaults: true})
	}
	entries, _, err := archive.Scan(fsys, ignore)
	if err != nil {
		return nil, &Error{Op: "read folder", Err: err}
	}
	for i, e := range entries {
		if !e.Mode.IsRegular() {
			continue
		}
		if entries[i].ID, entries[i].Size, err = digestFile(fsys, e.Path); err != nil {
			return nil, &Error{Op: "read folder", Ref: e.Path, Err: err}
		}
	}
	open := func(_ context.Context, e archive.Entry) (io.ReadCloser, error) { return fsys.Open(e.Path) }
	return NewArtifact(Contents{Revision: revision, Entries: entries, Open: open})
}

func digestFile(fsys fs.FS, name string) (digest string, size int64, err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	if size, err = io.Copy(h, f); err != nil {
		return "", 0, err
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), size, nil
}
