package archive

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ExtractOptions configures Extract. The zero value works.
type ExtractOptions struct {
	// Limits bounds what is read.
	Limits Limits
	// Digests fills Stats.Digests.
	Digests bool
	// SkipLinks leaves symbolic and hard links out instead of making them.
	SkipLinks bool
	// WindowsNames takes \ in names for /, as Helm does, instead of refusing it.
	WindowsNames bool
}

// Stats counts what Extract wrote.
type Stats struct {
	// Files, Folders and Links count entries by kind; hard links count as
	// files.
	Files, Folders, Links int
	// Bytes is the length of all files together.
	Bytes int64
	// Digests holds "sha256:" and 64 hex digits for each file by its path, if
	// ExtractOptions.Digests asks for it; hard links are not in it.
	Digests map[string]string
}

// Extract unpacks a tar.gz stream into the folder dir, which must not exist or
// be empty. It reads the stream to its end, so that its checksum is verified,
// and makes dir appear only when all of it was good: files are written to a
// sibling folder that is renamed at the end, or removed.
//
// Modes become 0644, or 0755 for executables. Errors wrap ErrUnsafe,
// ErrTooLarge, ErrCorrupt or the cause.
func Extract(ctx context.Context, r io.Reader, dir string, opts ExtractOptions) (Stats, error) {
	limits, err := opts.Limits.withDefaults()
	if err != nil {
		return Stats{}, fail("extract", "", err)
	}
	parentDir, base := filepath.Split(filepath.Clean(dir))
	if parentDir == "" {
		parentDir = "."
	}
	temp, err := os.MkdirTemp(parentDir, "."+base+".tmp-")
	if err != nil {
		return Stats{}, fail("extract", "", err)
	}
	defer func() { _ = os.RemoveAll(temp) }()
	stats, err := extractInto(ctx, r, temp, limits, opts)
	if err != nil {
		return Stats{}, err
	}
	if err := os.Chmod(temp, 0o755); err != nil { //nolint:gosec // an artifact is readable by all
		return Stats{}, fail("extract", "", err)
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Stats{}, fail("extract", "", fmt.Errorf("the folder must be empty or not exist: %w", err))
	}
	if err := os.Rename(temp, dir); err != nil {
		return Stats{}, fail("extract", "", err)
	}
	return stats, nil
}

func extractInto(ctx context.Context, r io.Reader, dir string, limits Limits, opts ExtractOptions) (Stats, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Stats{}, fail("extract", "", err)
	}
	defer root.Close()
	x := &extractor{
		root: root, skipLinks: opts.SkipLinks, windowsNames: opts.WindowsNames,
		kinds: map[string]byte{}, links: map[string]string{},
	}
	if opts.Digests {
		x.digester = newDigester()
	}
	err = eachEntry(ctx, r, limits, x.entry)
	if x.digester != nil {
		x.stats.Digests = x.digester.close()
	}
	if err != nil {
		return Stats{}, err
	}
	if err := x.checkLinks(); err != nil {
		return Stats{}, err
	}
	return x.stats, nil
}

// eachEntry reads a bounded tar.gz stream to its end.
func eachEntry(ctx context.Context, r io.Reader, limits Limits, visit func(*tar.Header, io.Reader) error) error {
	in := &countReader{r: contextReader{ctx, r}}
	gz, err := gzip.NewReader(bufio.NewReaderSize(in, 64<<10))
	if err != nil {
		return fail("extract", "", corrupt(err))
	}
	bound := &boundReader{r: gz, compressed: in, limits: limits}
	tr := tar.NewReader(bound)
	left := limits.Bytes
	for n := 0; ; n++ {
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fail("extract", "", corrupt(err))
		}
		if n >= limits.Entries {
			return fail("extract", hdr.Name, tooLargef("more than %d entries", limits.Entries))
		}
		if isSparse(hdr) {
			return fail("extract", hdr.Name, unsafef("a sparse file, which may have any size"))
		}
		if left -= hdr.Size; left < 0 {
			return fail("extract", hdr.Name, tooLargef("more than %d bytes when decompressed", limits.Bytes))
		}
		if err := visit(hdr, tr); err != nil {
			return fail("extract", hdr.Name, err)
		}
	}
	if _, err := io.Copy(io.Discard, bound); err != nil {
		return fail("extract", "", corrupt(err))
	}
	return nil
}

// isSparse is true for files whose holes are not in the stream, so that no
// limit on the stream holds for them.
func isSparse(hdr *tar.Header) bool {
	if hdr.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range hdr.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// corrupt marks errors of the formats; those of limits and contexts stay.
func corrupt(err error) error {
	if errors.Is(err, ErrTooLarge) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}

type contextReader struct {
	ctx context.Context //nolint:containedctx // lives as long as the call that made it
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}
