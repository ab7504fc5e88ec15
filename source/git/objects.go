package git

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // the format of Git; collisions are looked for when packs are indexed
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
)

// errMissing is an object that the mirror does not have.
var errMissing = errors.New("object is missing from the mirror")

// objects reads from a fixed set of packs. Many goroutines may use it. What it
// returns was checked against its id.
type objects struct {
	packs []*pack
	bases *byteCache
}

type packed struct {
	pack   *pack
	offset int64
}

func (o *objects) locate(id oid) (packed, bool) {
	for _, p := range o.packs {
		if off, ok := p.index.find(id); ok {
			return packed{p, off}, true
		}
	}
	return packed{}, false
}

func (o *objects) has(id oid) bool {
	_, ok := o.locate(id)
	return ok
}

// size returns an object's length without reading all of it.
func (o *objects) size(id oid) (int64, error) {
	at, ok := o.locate(id)
	if !ok {
		return 0, fmt.Errorf("%w: %s", errMissing, id.hex())
	}
	r, err := at.pack.record(at.offset)
	if err != nil {
		return 0, err
	}
	if r.kind == typeOfsDelta || r.kind == typeRefDelta {
		return at.pack.resultSize(r)
	}
	return r.size, nil
}

// read returns a whole object of the kind wanted.
func (o *objects) read(id oid, kind int) ([]byte, error) {
	at, ok := o.locate(id)
	if !ok {
		return nil, fmt.Errorf("%w: %s", errMissing, id.hex())
	}
	got, data, err := o.load(at)
	if err != nil {
		return nil, fmt.Errorf("object %s: %w", id.hex(), err)
	}
	if got != kind {
		return nil, corruptf("object %s is of type %s, not %s", id.hex(), kindName(got), kindName(kind))
	}
	h := newHash(id, kind, int64(len(data)))
	_, _ = h.Write(data)
	if oid(h.Sum(nil)) != id {
		return nil, corruptf("object %s does not have its checksum", id.hex())
	}
	return data, nil
}

// load reads an object and, one after the other, the deltas it is made of.
func (o *objects) load(at packed) (kind int, data []byte, err error) {
	var deltas [][]byte
	var chain []packed
	for {
		if k, cached, ok := o.bases.get(at); ok {
			kind, data = k, cached
			break
		}
		r, err := at.pack.record(at.offset)
		if err != nil {
			return 0, nil, err
		}
		body, err := at.pack.inflateAll(r)
		if err != nil {
			return 0, nil, err
		}
		if r.kind != typeOfsDelta && r.kind != typeRefDelta {
			kind, data = r.kind, body
			if len(deltas) > 0 {
				o.bases.put(at, kind, data)
			}
			break
		}
		if len(deltas) >= maxDeltaChain {
			return 0, nil, corruptf("chain of more than %d deltas", maxDeltaChain)
		}
		deltas, chain = append(deltas, body), append(chain, at)
		if at, err = o.base(at, r); err != nil {
			return 0, nil, err
		}
	}
	for i := len(deltas) - 1; i >= 0; i-- {
		if data, err = applyDelta(data, deltas[i]); err != nil {
			return 0, nil, err
		}
		if i > 0 {
			o.bases.put(chain[i], kind, data)
		}
	}
	return kind, data, nil
}

func (o *objects) base(at packed, r record) (packed, error) {
	if r.kind == typeOfsDelta {
		return packed{at.pack, r.base}, nil
	}
	base, ok := o.locate(r.baseID)
	if !ok {
		return packed{}, fmt.Errorf("%w: base %s", errMissing, r.baseID.hex())
	}
	return base, nil
}

// open streams a blob. Reading it to the end checks it.
func (o *objects) open(id oid) (io.ReadCloser, error) {
	at, ok := o.locate(id)
	if !ok {
		return nil, fmt.Errorf("%w: %s", errMissing, id.hex())
	}
	r, err := at.pack.record(at.offset)
	if err != nil {
		return nil, err
	}
	if r.kind != typeBlob || r.size < streamFrom {
		data, err := o.read(id, typeBlob)
		if err != nil {
			return nil, err
		}
		return io.NopCloser(bytes.NewReader(data)), nil
	}
	z, err := at.pack.inflate(r.data)
	if err != nil {
		return nil, err
	}
	return &blobReader{z: z, hash: newHash(id, typeBlob, r.size), left: r.size, id: id}, nil
}

// streamFrom is the size from which blobs are not read into memory first.
const streamFrom = 1 << 20

type blobReader struct {
	z    io.ReadCloser
	hash hash.Hash
	left int64
	id   oid
}

func (b *blobReader) Read(p []byte) (int, error) {
	if b.left == 0 {
		if oid(b.hash.Sum(nil)) != b.id {
			return 0, corruptf("object %s does not have its checksum", b.id.hex())
		}
		return 0, io.EOF
	}
	n, err := b.z.Read(p[:min(int64(len(p)), b.left)])
	b.hash.Write(p[:n])
	b.left -= int64(n)
	if err != nil && b.left > 0 {
		return n, corruptf("object %s: %v", b.id.hex(), err)
	}
	return n, nil
}

func (b *blobReader) Close() error { return b.z.Close() }

func newHash(id oid, kind int, size int64) hash.Hash {
	var h hash.Hash
	if len(id) == sha256.Size {
		h = sha256.New()
	} else {
		h = sha1.New() //nolint:gosec // the format of Git
	}
	_, _ = io.WriteString(h, kindName(kind)+" "+strconv.FormatInt(size, 10)+"\x00")
	return h
}

func kindName(kind int) string {
	switch kind {
	case typeCommit:
		return "commit"
	case typeTree:
		return "tree"
	case typeBlob:
		return "blob"
	case typeTag:
		return "tag"
	}
	return "unknown"
}
