package ssa

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"math"
	"slices"
)

// A digest names the content of a desired object, or of the part of a live
// one's metadata that tells whether it was changed. It is the same in every
// process.
type digest [16]byte

// hasher writes JSON-like values to a hash in a form in which no two different
// values look alike.
type hasher struct {
	h     hash.Hash
	buf   []byte
	keys  [][]string // key slices for reuse, one a depth
	depth int
}

func newHasher() *hasher { return &hasher{h: sha256.New(), buf: make([]byte, 0, 4096)} }

// sum returns the digest of what was written since the last sum.
func (d *hasher) sum() (out digest) {
	d.flush()
	var full [sha256.Size]byte
	copy(out[:], d.h.Sum(full[:0]))
	d.h.Reset()
	return out
}

func (d *hasher) flush() {
	d.h.Write(d.buf)
	d.buf = d.buf[:0]
}

func (d *hasher) tag(t byte, n uint64) {
	if len(d.buf) > 3500 {
		d.flush()
	}
	d.buf = append(d.buf, t)
	d.buf = binary.AppendUvarint(d.buf, n)
}

func (d *hasher) str(s string) {
	d.tag('s', uint64(len(s)))
	if len(s) > 512 {
		d.flush()
		d.h.Write([]byte(s))
		return
	}
	d.buf = append(d.buf, s...)
}

func (d *hasher) value(v any) {
	switch v := v.(type) {
	case nil:
		d.tag('n', 0)
	case string:
		d.str(v)
	case bool:
		if v {
			d.tag('b', 1)
		} else {
			d.tag('b', 0)
		}
	case int64:
		d.tag('i', uint64(v))
	case int:
		d.tag('i', uint64(v))
	case float64:
		d.float(v)
	case []any:
		d.tag('l', uint64(len(v)))
		for _, e := range v {
			d.value(e)
		}
	case map[string]any:
		d.object(v)
	default:
		d.str(fmt.Sprintf("%T %v", v, v))
	}
}

func (d *hasher) float(v float64) {
	if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		d.tag('i', uint64(int64(v))) // 1 and 1.0 are one number in JSON
		return
	}
	d.tag('f', math.Float64bits(v))
}

func (d *hasher) object(m map[string]any) {
	d.tag('m', uint64(len(m)))
	if d.depth == len(d.keys) {
		d.keys = append(d.keys, nil)
	}
	keys := d.keys[d.depth][:0]
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	d.keys[d.depth] = keys
	d.depth++
	for _, k := range keys {
		d.str(k)
		d.value(m[k])
	}
	d.depth--
}
