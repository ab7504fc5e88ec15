package oci

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/gitopskit/gitopskit/internal/treecache"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/archive"
)

// fingerprint keeps what one credential fetched from another.
func (o ClientOptions) fingerprint() string {
	h := sha256.New()
	for _, part := range []string{o.Auth.Username, o.Auth.Password, string(o.Auth.DockerConfig), o.Identity, string(o.ClientCert)} {
		_, _ = fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// assemble makes an artifact of a kept tree. When a file turns out damaged,
// forget is called, so that the next fetch brings the tree again.
func assemble(revision source.Revision, tree *treecache.Tree, ignore string, forget func()) (*source.Artifact, error) {
	entries := make([]archive.Entry, 0, len(tree.Files))
	for _, f := range tree.Files {
		entries = append(entries, archive.Entry{Path: f.Path, Mode: f.Mode, Size: entrySize(f), ID: f.Digest, Target: f.Target})
	}
	open := func(_ context.Context, e archive.Entry) (io.ReadCloser, error) {
		r, err := tree.Open(e.Path, e.ID)
		if err != nil {
			forget()
			return nil, fmt.Errorf("%w: %w; fetch the artifact again", source.ErrCorrupt, err)
		}
		return &damageReader{r, forget}, nil
	}
	if ignore != "" {
		kept, err := archive.NewIgnore(archive.IgnoreOptions{Patterns: ignore}).Filter(entries, func(p string) ([]byte, error) {
			for _, e := range entries {
				if e.Path == p {
					r, err := open(context.Background(), e)
					if err != nil {
						return nil, err
					}
					defer r.Close()
					return io.ReadAll(io.LimitReader(r, 2<<20))
				}
			}
			return nil, source.ErrNotFound
		})
		if err != nil {
			return nil, err
		}
		entries = kept
	}
	var metadata map[string]string
	if len(tree.Note) > 0 {
		if err := json.Unmarshal(tree.Note, &metadata); err != nil {
			forget()
			return nil, fmt.Errorf("%w: %w", source.ErrCorrupt, err)
		}
	}
	return source.NewArtifact(source.Contents{Revision: revision, Entries: entries, Open: open, Metadata: metadata})
}

func entrySize(f treecache.File) int64 {
	if f.Mode.IsRegular() {
		return f.Size
	}
	return 0
}

type damageReader struct {
	io.ReadCloser
	forget func()
}

func (d *damageReader) Read(p []byte) (int, error) {
	n, err := d.ReadCloser.Read(p)
	if errors.Is(err, treecache.ErrDamaged) {
		d.forget()
		err = fmt.Errorf("%w: %w; fetch the artifact again", source.ErrCorrupt, err)
	}
	return n, err
}
