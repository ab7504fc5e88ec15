package git

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/gitopskit/gitopskit/source"
)

// Object types in a pack.
const (
	typeCommit   = 1
	typeTree     = 2
	typeBlob     = 3
	typeTag      = 4
	typeOfsDelta = 6
	typeRefDelta = 7
)

// maxObject is the largest object that is read into memory; larger files must
// be stored whole, not as a delta, and are streamed.
const maxObject = 512 << 20

// maxDeltaChain is the longest chain of deltas that is followed; git makes 50,
// and 250 when it packs aggressively.
const maxDeltaChain = 4096

// pack is one immutable pack file with its index. Many goroutines may read it.
// The file is closed when nothing refers to the pack any more.
type pack struct {
	name  string
	index *packIndex
	file  *os.File
	size  int64
}

func openPack(base string, idSize int) (*pack, error) {
	index, err := readPackIndex(base+".idx", idSize)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(base + ".pack") //nolint:gosec // below the mirror's folder
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return &pack{name: base, index: index, file: file, size: info.Size()}, nil
}

// record is the head of an object in a pack.
type record struct {
	kind   int
	size   int64 // of the object, or of the delta
	base   int64 // offset of the base, for typeOfsDelta
	baseID oid   // for typeRefDelta
	data   int64 // offset of the compressed data
}

func (p *pack) record(offset int64) (record, error) {
	var buf [64]byte
	n, err := p.file.ReadAt(buf[:], offset)
	if n == 0 || err != nil && !errors.Is(err, io.EOF) {
		return record{}, corruptf("pack cannot be read at %d: %v", offset, err)
	}
	b := buf[:n]
	r := record{kind: int(b[0]>>4) & 7, size: int64(b[0] & 15)}
	i, shift := 1, 4
	for c := b[0]; c&0x80 != 0; i++ {
		if i >= len(b) || shift > 56 {
			return record{}, corruptf("object head at %d", offset)
		}
		c = b[i]
		r.size |= int64(c&0x7f) << shift
		shift += 7
	}
	switch r.kind {
	case typeCommit, typeTree, typeBlob, typeTag:
	case typeRefDelta:
		if i+p.index.size > len(b) {
			return record{}, corruptf("delta head at %d", offset)
		}
		r.baseID = oid(b[i : i+p.index.size])
		i += p.index.size
	case typeOfsDelta:
		back, n, ok := ofsDistance(b[i:])
		if !ok || back <= 0 || back > offset {
			return record{}, corruptf("delta head at %d", offset)
		}
		r.base = offset - back
		i += n
	default:
		return record{}, corruptf("object of type %d at %d", r.kind, offset)
	}
	r.data = offset + int64(i)
	return r, nil
}

func ofsDistance(b []byte) (distance int64, n int, ok bool) {
	for n < len(b) && n < 9 {
		c := b[n]
		if n > 0 {
			distance++
		}
		distance = distance<<7 | int64(c&0x7f)
		n++
		if c&0x80 == 0 {
			return distance, n, true
		}
	}
	return 0, 0, false
}

// inflate returns a reader of the compressed data at an offset.
func (p *pack) inflate(offset int64) (io.ReadCloser, error) {
	section := io.NewSectionReader(p.file, offset, p.size-offset)
	z, err := zlib.NewReader(bufio.NewReaderSize(section, 8<<10))
	if err != nil {
		return nil, corruptf("compressed data at %d: %v", offset, err)
	}
	return z, nil
}

// inflateAll returns exactly size bytes.
func (p *pack) inflateAll(r record) ([]byte, error) {
	if r.size > maxObject {
		return nil, fmt.Errorf("%w: an object of %d bytes; at most %d fit into memory", source.ErrTooLarge, r.size, int64(maxObject))
	}
	z, err := p.inflate(r.data)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	out := bytes.NewBuffer(make([]byte, 0, min(r.size, 1<<20)+bytes.MinRead))
	n, err := out.ReadFrom(io.LimitReader(z, r.size+1))
	if err != nil || n != r.size {
		return nil, corruptf("object at %d has %d bytes, not %d: %v", r.data, n, r.size, err)
	}
	return out.Bytes(), nil
}

// resultSize reads the size of the object that a delta makes.
func (p *pack) resultSize(r record) (int64, error) {
	z, err := p.inflate(r.data)
	if err != nil {
		return 0, err
	}
	defer z.Close()
	var buf [24]byte
	n, err := io.ReadFull(z, buf[:])
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, corruptf("delta at %d: %v", r.data, err)
	}
	_, rest, ok := varint(buf[:n])
	if !ok {
		return 0, corruptf("delta at %d", r.data)
	}
	size, _, ok := varint(rest)
	if !ok {
		return 0, corruptf("delta at %d", r.data)
	}
	return size, nil
}
