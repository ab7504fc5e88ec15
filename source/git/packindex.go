package git

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"sort"

	"github.com/gitopskit/gitopskit/source"
)

// packIndex is a version 2 pack index (gitformat-pack(5)), held in memory.
type packIndex struct {
	fanout  [256]uint32
	names   []byte // n sorted ids
	offsets []byte // n times 4 bytes
	large   []byte // 8 bytes for each offset beyond 2 GiB
	size    int    // bytes of an id
}

func corruptf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", source.ErrCorrupt, fmt.Sprintf(format, args...))
}

func readPackIndex(name string, idSize int) (*packIndex, error) {
	data, err := os.ReadFile(name) //nolint:gosec // below the mirror's folder
	if err != nil {
		return nil, err
	}
	return parsePackIndex(data, idSize)
}

func parsePackIndex(data []byte, idSize int) (*packIndex, error) {
	const head = 8 + 256*4
	if len(data) < head+2*idSize || !bytes.Equal(data[:8], []byte("\xfftOc\x00\x00\x00\x02")) {
		return nil, corruptf("pack index has a wrong header")
	}
	x := &packIndex{size: idSize}
	last := uint32(0)
	for i := range x.fanout {
		x.fanout[i] = binary.BigEndian.Uint32(data[8+4*i:])
		if x.fanout[i] < last {
			return nil, corruptf("pack index is not sorted")
		}
		last = x.fanout[i]
	}
	n := int64(last)
	rest := data[head : len(data)-2*idSize]
	if int64(len(rest)) < n*int64(idSize+8) {
		return nil, corruptf("pack index is cut off")
	}
	x.names, rest = rest[:n*int64(idSize)], rest[n*int64(idSize):]
	rest = rest[n*4:] // checksums of the compressed objects
	x.offsets, x.large = rest[:n*4], rest[n*4:]
	return x, nil
}

func (x *packIndex) len() int { return len(x.offsets) / 4 }

func (x *packIndex) id(i int) oid { return oid(x.names[i*x.size : (i+1)*x.size]) }

// find returns the object's offset in the pack.
func (x *packIndex) find(id oid) (int64, bool) {
	if len(id) != x.size {
		return 0, false
	}
	lo, hi := 0, int(x.fanout[id[0]])
	if id[0] > 0 {
		lo = int(x.fanout[id[0]-1])
	}
	i := lo + sort.Search(hi-lo, func(k int) bool { return x.id(lo+k) >= id })
	if i >= hi || x.id(i) != id {
		return 0, false
	}
	return x.offset(i)
}

func (x *packIndex) offset(i int) (int64, bool) {
	off := binary.BigEndian.Uint32(x.offsets[4*i:])
	if off&0x80000000 == 0 {
		return int64(off), true
	}
	at := int64(off&0x7fffffff) * 8
	if at+8 > int64(len(x.large)) {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(x.large[at:]) & (1<<63 - 1)), true
}
