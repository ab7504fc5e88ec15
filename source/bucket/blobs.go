package bucket

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/archive"
)

// blobs keeps contents under their digest, and notes which object has which.
type blobs struct{ dir string }

func openBlobs(dir, name string) (*blobs, error) {
	sum := sha256.Sum256([]byte(name))
	b := &blobs{dir: filepath.Join(dir, hex.EncodeToString(sum[:]))}
	for _, sub := range []string{"blobs", "notes"} {
		if err := os.MkdirAll(filepath.Join(b.dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (b *blobs) file(digest string) string {
	return filepath.Join(b.dir, "blobs", strings.TrimPrefix(digest, "sha256:"))
}

func (b *blobs) noteFile(o Object) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %d", o.Key, o.ETag, o.Size))
	return filepath.Join(b.dir, "notes", hex.EncodeToString(sum[:]))
}

// find returns the digest of an object that is kept whole.
func (b *blobs) find(o Object) (digest string, ok bool) {
	data, err := os.ReadFile(b.noteFile(o))
	if err != nil || o.ETag == "" || len(data) != len("sha256:")+64 {
		return "", false
	}
	info, err := os.Stat(b.file(string(data)))
	return string(data), err == nil && info.Size() == o.Size
}

func (b *blobs) note(o Object, digest string) error {
	return writeFile(b.noteFile(o), strings.NewReader(digest))
}

// put keeps what r holds.
func (b *blobs) put(r io.Reader, limit int64) (digest string, size int64, err error) {
	f, err := os.CreateTemp(filepath.Join(b.dir, "blobs"), ".incoming-")
	if err != nil {
		return "", 0, err
	}
	defer func() {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}()
	h := sha256.New()
	size, err = io.Copy(io.MultiWriter(f, h), io.LimitReader(r, limit+1))
	if err == nil && size > limit {
		err = fmt.Errorf("%w: more than %d bytes", source.ErrTooLarge, limit)
	}
	if err != nil {
		return "", 0, err
	}
	if err := f.Close(); err != nil {
		return "", 0, err
	}
	digest = "sha256:" + hex.EncodeToString(h.Sum(nil))
	return digest, size, os.Rename(f.Name(), b.file(digest))
}

func writeFile(name string, r io.Reader) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".incoming-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = io.Copy(f, r)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// open is an archive.OpenFunc. Reading to the end checks the content; what is
// damaged is removed, so that the next fetch downloads it again.
func (b *blobs) open(_ context.Context, e archive.Entry) (io.ReadCloser, error) {
	f, err := os.Open(b.file(e.ID))
	if err != nil {
		return nil, fmt.Errorf("%w: %w; fetch the artifact again", source.ErrCorrupt, err)
	}
	return &checked{f: f, hash: sha256.New(), want: e.ID}, nil
}

type checked struct {
	f    *os.File
	hash hash.Hash
	want string
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.f.Read(p)
	c.hash.Write(p[:n])
	if errors.Is(err, io.EOF) && "sha256:"+hex.EncodeToString(c.hash.Sum(nil)) != c.want {
		_ = os.Remove(c.f.Name())
		return n, fmt.Errorf("%w: the kept copy is damaged; fetch the artifact again", source.ErrCorrupt)
	}
	return n, err
}

func (c *checked) Close() error { return c.f.Close() }
