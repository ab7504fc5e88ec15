package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"runtime"
	"strconv"
	"sync"

	"compress/gzip"
)

// A tar.gz is written as a sequence of gzip members, which every reader takes
// as one stream. Each member holds the tar records of one run of entries. The
// borders depend on names and sizes only, so a changed file changes its own
// segment and leaves the others as they are.
const (
	segmentMin   = 256 << 10 // a border by name needs this many bytes before it
	segmentMax   = 2 << 20   // a border comes at the latest after this many
	segmentEvery = 8         // one name in so many is a border
	tarBlock     = 512
)

type segment struct {
	entries []Entry
	size    int64
}

// segments cuts the sorted entries into runs.
func segments(entries []Entry) []segment {
	var out []segment
	start, size := 0, int64(0)
	cut := func(end int) {
		if end > start {
			out = append(out, segment{entries: entries[start:end], size: size})
		}
		start, size = end, 0
	}
	for i, e := range entries {
		n := tarSize(e)
		if n > segmentMax {
			cut(i)
			size = n
			cut(i + 1)
			continue
		}
		size += n
		if size >= segmentMax || size >= segmentMin && isBorder(e.Path) {
			cut(i + 1)
		}
	}
	cut(len(entries))
	return out
}

func tarSize(e Entry) int64 {
	return tarBlock + (e.Size+tarBlock-1)/tarBlock*tarBlock
}

func isBorder(name string) bool {
	h := fnv.New32a()
	_, _ = io.WriteString(h, name)
	return h.Sum32()%segmentEvery == 0
}

// key names the compressed segment, or is empty where content is unknown. It
// includes the Go release because compress/gzip may differ between releases.
func (s segment) key() string {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "segment 1 %s\n", runtime.Version())
	for _, e := range s.entries {
		if e.Mode.IsRegular() && e.ID == "" {
			return ""
		}
		_, _ = fmt.Fprintf(h, "%s %s %d %s %s\n", e.Mode, e.ID, e.Size, strconv.Quote(e.Path), strconv.Quote(e.Target))
	}
	return hex.EncodeToString(h.Sum(nil))
}

type packer struct {
	open    OpenFunc
	cache   Cache
	workers int
}

type packed struct {
	data []byte
	err  error
}

// run compresses segments in parallel and writes them in order.
func (p packer) run(ctx context.Context, w io.Writer, segs []segment) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()

	slots := make([]chan packed, len(segs))
	for i := range slots {
		slots[i] = make(chan packed, 1)
	}
	next := 0
	start := func() {
		i := next
		next++
		if segs[i].size > segmentMax {
			return // streamed when its turn comes
		}
		running.Go(func() {
			data, err := p.pack(ctx, segs[i])
			slots[i] <- packed{data, err}
		})
	}
	for i, s := range segs {
		for next < len(segs) && next < i+p.workers*2 {
			start()
		}
		if s.size > segmentMax {
			if err := p.stream(ctx, w, s); err != nil {
				return err
			}
			continue
		}
		got := <-slots[i]
		if got.err != nil {
			return got.err
		}
		if _, err := w.Write(got.data); err != nil {
			return fail("write", "", err)
		}
	}
	return p.finish(w)
}

// pack returns the compressed bytes of one segment.
func (p packer) pack(ctx context.Context, s segment) ([]byte, error) {
	key := ""
	if p.cache != nil {
		if key = s.key(); key != "" {
			if data, ok := p.cache.Load(key); ok {
				return data, nil
			}
		}
	}
	var buf bytes.Buffer
	if err := p.compress(ctx, &buf, s); err != nil {
		return nil, err
	}
	if key != "" {
		p.cache.Store(key, buf.Bytes())
	}
	return buf.Bytes(), nil
}

// stream writes a segment of one large file without holding it in memory,
// unless it is kept compressed.
func (p packer) stream(ctx context.Context, w io.Writer, s segment) error {
	key := ""
	if p.cache != nil && s.size <= maxKeptSegment {
		key = s.key()
	}
	if key == "" {
		return p.compress(ctx, w, s)
	}
	data, err := p.pack(ctx, s)
	if err != nil {
		return err
	}
	if _, err := w.Write(data); err != nil {
		return fail("write", "", err)
	}
	return nil
}

// maxKeptSegment is the largest file that is compressed in memory in order to
// be kept.
const maxKeptSegment = 32 << 20

func (p packer) compress(ctx context.Context, w io.Writer, s segment) error {
	gz := gzip.NewWriter(w)
	tw := tar.NewWriter(gz)
	for _, e := range s.entries {
		if err := ctx.Err(); err != nil {
			return fail("write", e.Path, context.Cause(ctx))
		}
		if err := p.entry(ctx, tw, e); err != nil {
			return fail("write", e.Path, err)
		}
	}
	// Flush pads the last file; Close would end the archive here.
	if err := tw.Flush(); err != nil {
		return fail("write", "", err)
	}
	if err := gz.Close(); err != nil {
		return fail("write", "", err)
	}
	return nil
}

// finish writes the two zero blocks that end a tar stream.
func (p packer) finish(w io.Writer) error {
	gz := gzip.NewWriter(w)
	if _, err := gz.Write(make([]byte, 2*tarBlock)); err != nil {
		return fail("write", "", err)
	}
	if err := gz.Close(); err != nil {
		return fail("write", "", err)
	}
	return nil
}

func (p packer) entry(ctx context.Context, tw *tar.Writer, e Entry) error {
	hdr, err := header(e)
	if err != nil {
		return err
	}
	if err := tw.WriteHeader(hdr); err != nil {
		return err
	}
	if hdr.Typeflag != tar.TypeReg {
		return nil
	}
	r, err := p.open(ctx, e)
	if err != nil {
		return err
	}
	n, err := io.Copy(tw, r)
	if cerr := r.Close(); err == nil {
		err = cerr
	}
	if err == nil && n != e.Size {
		err = fmt.Errorf("content has %d bytes, not the %d announced", n, e.Size)
	}
	return err
}

func header(e Entry) (*tar.Header, error) {
	hdr := &tar.Header{Name: e.Path}
	switch {
	case e.Mode.IsRegular():
		hdr.Typeflag, hdr.Size, hdr.Mode = tar.TypeReg, e.Size, 0o644
		if e.Mode&0o111 != 0 {
			hdr.Mode = 0o755
		}
	case e.Mode.IsDir():
		hdr.Typeflag, hdr.Name, hdr.Mode = tar.TypeDir, e.Path+"/", 0o755
	case e.Mode&fs.ModeSymlink != 0:
		hdr.Typeflag, hdr.Linkname, hdr.Mode = tar.TypeSymlink, e.Target, 0o777
	default:
		return nil, unsafef("an artifact holds no entry of type %s", e.Mode.Type())
	}
	return hdr, nil
}
