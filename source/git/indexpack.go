package git

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"crypto/sha1" //nolint:gosec // the format of Git
	"crypto/sha256"

	"github.com/pjbgf/sha1cd"

	"github.com/gitopskit/gitopskit/source"
)

// indexer receives a pack: it writes it to a file, checks every byte of it and
// makes its index in one pass. Files that are not deltas are never held in
// memory. Ids are computed with collision detection.
type indexer struct {
	in     *packStream
	out    *os.File
	idSize int
	known  *objects // where the bases of a thin pack are

	records []indexed
	byStart map[int64]int // record by offset
	thin    []oid         // bases that are not in the pack
}

// indexed is an object of the pack.
type indexed struct {
	id     oid // "" until it is known
	start  int64
	crc    uint32
	kind   int
	base   int64 // for typeOfsDelta
	baseID oid   // for typeRefDelta
}

// indexPack writes the pack that r holds, with its index, into the repository
// at dir. Deltas may start from objects that known has; those are added, so
// that the pack is complete in itself. An empty stream is an error.
func indexPack(ctx context.Context, dir string, r io.Reader, known *objects, idSize int) error {
	folder := filepath.Join(dir, packsFolder)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	out, err := os.OpenFile(filepath.Join(folder, "receiving"), os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600) //nolint:gosec // a fresh folder
	if err != nil {
		return err
	}
	defer out.Close()
	x := &indexer{out: out, idSize: idSize, known: known, byStart: map[int64]int{}}
	x.in = newPackStream(r, out, x.trailerHash())
	sum, err := x.receive(ctx)
	if err == nil {
		sum, err = x.resolve(ctx, sum)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	base := filepath.Join(folder, "pack-"+oid(sum).hex())
	if err := x.writeIndex(base+".idx", sum); err != nil {
		return err
	}
	return os.Rename(out.Name(), base+".pack")
}

func (x *indexer) newHash() hash.Hash {
	if x.idSize == sha256.Size {
		return sha256.New()
	}
	return sha1cd.New()
}

// trailerHash is for the sums at the end of files, which guard against accident
// only.
func (x *indexer) trailerHash() hash.Hash {
	if x.idSize == sha256.Size {
		return sha256.New()
	}
	return sha1.New() //nolint:gosec // the format of Git
}

// receive reads the stream to its end and returns its checksum.
func (x *indexer) receive(ctx context.Context) ([]byte, error) {
	var head [12]byte
	if _, err := io.ReadFull(x.in, head[:]); errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: the server sent no pack", source.ErrUnreachable)
	} else if err != nil {
		return nil, x.broken(err)
	}
	if !bytes.Equal(head[:8], []byte("PACK\x00\x00\x00\x02")) {
		return nil, corruptf("what was received is no pack")
	}
	for left := binary.BigEndian.Uint32(head[8:]); left > 0; left-- {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := x.object(); err != nil {
			return nil, err
		}
	}
	sum := x.in.sum()
	got := make([]byte, x.idSize)
	if _, err := io.ReadFull(x.in, got); err != nil {
		return nil, x.broken(err)
	}
	if !bytes.Equal(got, sum) {
		return nil, corruptf("the pack does not have its checksum")
	}
	// The end of the stream lets the connection be used again.
	if _, err := x.in.in.ReadByte(); err == nil {
		return nil, corruptf("something follows the pack")
	} else if !errors.Is(err, io.EOF) {
		return nil, err
	}
	return sum, x.in.finish()
}

// broken marks a stream that ends too early, and leaves other errors of
// reading as they are.
func (x *indexer) broken(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: the pack ends too early", source.ErrUnreachable)
	}
	return err
}

// object reads one object.
func (x *indexer) object() error {
	rec := indexed{start: x.in.pos}
	x.in.flush()
	x.in.crc = 0
	c, err := x.in.ReadByte()
	if err != nil {
		return x.broken(err)
	}
	rec.kind = int(c>>4) & 7
	size, shift := int64(c&15), 4
	for c&0x80 != 0 {
		if c, err = x.in.ReadByte(); err != nil {
			return x.broken(err)
		}
		if shift > 56 {
			return corruptf("object head at %d", rec.start)
		}
		size |= int64(c&0x7f) << shift
		shift += 7
	}
	if err := x.base(&rec); err != nil {
		return err
	}
	if err := x.body(&rec, size); err != nil {
		return err
	}
	x.in.flush()
	rec.crc = x.in.crc
	x.byStart[rec.start] = len(x.records)
	x.records = append(x.records, rec)
	return nil
}

// base reads where a delta starts from.
func (x *indexer) base(rec *indexed) error {
	switch rec.kind {
	case typeCommit, typeTree, typeBlob, typeTag:
		return nil
	case typeRefDelta:
		id := make([]byte, x.idSize)
		if _, err := io.ReadFull(x.in, id); err != nil {
			return x.broken(err)
		}
		rec.baseID = oid(id)
		return nil
	case typeOfsDelta:
		var buf []byte
		for {
			c, err := x.in.ReadByte()
			if err != nil {
				return x.broken(err)
			}
			buf = append(buf, c)
			if c&0x80 == 0 || len(buf) > 9 {
				break
			}
		}
		back, _, ok := ofsDistance(buf)
		if !ok || back <= 0 || back > rec.start {
			return corruptf("delta head at %d", rec.start)
		}
		rec.base = rec.start - back
		if _, ok := x.byStart[rec.base]; !ok {
			return corruptf("delta at %d starts from no object", rec.start)
		}
		return nil
	}
	return corruptf("object of type %d at %d", rec.kind, rec.start)
}

// body inflates an object, to learn where it ends and, if it is whole, its id.
func (x *indexer) body(rec *indexed, size int64) error {
	z, err := x.in.inflate()
	if err != nil {
		return x.bad(rec, err)
	}
	var h hash.Hash
	w := io.Discard
	if rec.kind != typeOfsDelta && rec.kind != typeRefDelta {
		h = x.newHash()
		_, _ = fmt.Fprintf(h, "%s %d\x00", kindName(rec.kind), size)
		w = h
	}
	n, err := io.Copy(w, io.LimitReader(z, size))
	if err != nil {
		return x.bad(rec, err)
	}
	// One read more finds the end, and the checksum of the compressed data.
	var extra [1]byte
	if m, err := z.Read(extra[:]); n != size || m != 0 || !errors.Is(err, io.EOF) {
		return x.bad(rec, fmt.Errorf("%d bytes and %d more, not %d: %w", n, m, size, errOr(err, io.ErrShortBuffer)))
	}
	if h == nil {
		return nil
	}
	rec.id, err = x.sum(h)
	return err
}

func errOr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// bad tells damage of the data from failures of reading it.
func (x *indexer) bad(rec *indexed, err error) error {
	if x.in.err != nil {
		return x.broken(x.in.err)
	}
	return corruptf("object at %d: %v", rec.start, err)
}

func (x *indexer) sum(h hash.Hash) (oid, error) {
	if cd, ok := h.(sha1cd.CollisionResistantHash); ok {
		sum, collision := cd.CollisionResistantSum(nil)
		if collision {
			return "", fmt.Errorf("%w: the pack holds an object made to collide in SHA-1", source.ErrUnsafe)
		}
		return oid(sum), nil
	}
	return oid(h.Sum(nil)), nil
}
