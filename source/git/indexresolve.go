package git

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"sort"

	"github.com/gitopskit/gitopskit/source"
)

// resolve finds the ids of deltas, completes a thin pack and returns the pack's
// checksum.
func (x *indexer) resolve(ctx context.Context, sum []byte) ([]byte, error) {
	children, byID := x.children()
	p := &pack{file: x.out, size: x.in.pos, index: &packIndex{size: x.idSize}}
	done := 0
	for i := range x.records {
		if kind := x.records[i].kind; kind == typeOfsDelta || kind == typeRefDelta {
			continue
		}
		done++
		if len(children[i]) == 0 && len(byID[x.records[i].id]) == 0 {
			continue
		}
		r, err := p.record(x.records[i].start)
		if err != nil {
			return nil, err
		}
		data, err := p.inflateAll(r)
		if err != nil {
			return nil, err
		}
		n, err := x.below(ctx, p, i, x.records[i].kind, data, children, byID, 0)
		done += n
		if err != nil {
			return nil, err
		}
	}
	n, err := x.external(ctx, p, children, byID)
	if err != nil {
		return nil, err
	}
	if done+n != len(x.records) {
		return nil, fmt.Errorf("%w: %d deltas start from objects that nobody has", errMissing, len(x.records)-done-n)
	}
	if len(x.thin) == 0 {
		return sum, nil
	}
	return x.complete()
}

// children lists deltas by the record, and by the id, that they start from.
func (x *indexer) children() (byRecord map[int][]int, byID map[oid][]int) {
	byRecord, byID = map[int][]int{}, map[oid][]int{}
	for i, r := range x.records {
		switch r.kind {
		case typeOfsDelta:
			parent := x.byStart[r.base]
			byRecord[parent] = append(byRecord[parent], i)
		case typeRefDelta:
			byID[r.baseID] = append(byID[r.baseID], i)
		}
	}
	return byRecord, byID
}

// below applies the deltas that start from one object, and those that start
// from what they make. It returns how many objects it found.
func (x *indexer) below(ctx context.Context, p *pack, i, kind int, data []byte, children map[int][]int, byID map[oid][]int, depth int) (int, error) {
	if depth > maxDeltaChain {
		return 0, corruptf("chain of more than %d deltas", maxDeltaChain)
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	found := 0
	next := children[i]
	if id := x.records[i].id; len(byID[id]) > 0 {
		next = append(append([]int(nil), next...), byID[id]...)
		delete(byID, id)
	}
	for _, c := range next {
		n, err := x.apply(ctx, p, c, kind, data, children, byID, depth)
		found += n
		if err != nil {
			return found, err
		}
	}
	return found, nil
}

// apply makes the object of one delta.
func (x *indexer) apply(ctx context.Context, p *pack, c, kind int, base []byte, children map[int][]int, byID map[oid][]int, depth int) (int, error) {
	if x.records[c].id != "" {
		return 0, nil
	}
	r, err := p.record(x.records[c].start)
	if err != nil {
		return 0, err
	}
	delta, err := p.inflateAll(r)
	if err != nil {
		return 0, err
	}
	data, err := applyDelta(base, delta)
	if err != nil {
		return 0, err
	}
	h := x.newHash()
	_, _ = fmt.Fprintf(h, "%s %d\x00", kindName(kind), len(data))
	_, _ = h.Write(data)
	if x.records[c].id, err = x.sum(h); err != nil {
		return 0, err
	}
	n, err := x.below(ctx, p, c, kind, data, children, byID, depth+1)
	return n + 1, err
}

// external applies the deltas of a thin pack.
func (x *indexer) external(ctx context.Context, p *pack, children map[int][]int, byID map[oid][]int) (int, error) {
	bases := make([]oid, 0, len(byID))
	for id := range byID {
		bases = append(bases, id)
	}
	sort.Slice(bases, func(i, j int) bool { return bases[i] < bases[j] })
	found := 0
	for _, id := range bases {
		waiting := byID[id]
		if x.known == nil || !x.known.has(id) || len(waiting) == 0 {
			continue
		}
		kind, data, err := x.known.readAny(id)
		if err != nil {
			return found, err
		}
		delete(byID, id)
		x.thin = append(x.thin, id)
		for _, c := range waiting {
			n, err := x.apply(ctx, p, c, kind, data, children, byID, 0)
			found += n
			if err != nil {
				return found, err
			}
		}
	}
	return found, nil
}

// readAny returns an object of any kind.
func (o *objects) readAny(id oid) (kind int, data []byte, err error) {
	for _, k := range []int{typeBlob, typeTree, typeCommit, typeTag} {
		if data, err = o.read(id, k); err == nil {
			return k, data, nil
		}
	}
	return 0, nil, err
}

// complete adds the bases of a thin pack to its end, as git index-pack
// --fix-thin does, and returns the new checksum.
func (x *indexer) complete() ([]byte, error) {
	end := x.in.pos - int64(x.idSize)
	if err := x.out.Truncate(end); err != nil {
		return nil, err
	}
	w := io.NewOffsetWriter(x.out, end)
	for _, id := range x.thin {
		kind, data, err := x.known.readAny(id)
		if err != nil {
			return nil, err
		}
		var body bytes.Buffer
		_, _ = body.Write(packHead(kind, len(data)))
		z := zlib.NewWriter(&body)
		_, _ = z.Write(data)
		_ = z.Close()
		x.records = append(x.records, indexed{id: id, start: end, kind: kind, crc: crc32.ChecksumIEEE(body.Bytes())})
		if _, err := w.Write(body.Bytes()); err != nil {
			return nil, err
		}
		end += int64(body.Len())
	}
	if int64(len(x.records)) > math.MaxUint32 {
		return nil, fmt.Errorf("%w: too many objects", source.ErrTooLarge)
	}
	var count [4]byte
	binary.BigEndian.PutUint32(count[:], uint32(len(x.records)))
	if _, err := x.out.WriteAt(count[:], 8); err != nil {
		return nil, err
	}
	h := x.trailerHash()
	if _, err := io.Copy(h, io.NewSectionReader(x.out, 0, end)); err != nil {
		return nil, err
	}
	sum := h.Sum(nil)
	_, err := x.out.WriteAt(sum, end)
	return sum, err
}

// writeIndex writes a version 2 index (gitformat-pack(5)).
func (x *indexer) writeIndex(name string, sum []byte) error {
	sort.Slice(x.records, func(i, j int) bool { return x.records[i].id < x.records[j].id })
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600) //nolint:gosec // a fresh folder
	if err != nil {
		return err
	}
	defer f.Close()
	h := x.trailerHash()
	buf := bufio.NewWriterSize(f, 256<<10)
	w := io.MultiWriter(buf, h)
	_, _ = io.WriteString(w, "\xfftOc\x00\x00\x00\x02")
	var fanout [256]uint32
	for _, r := range x.records {
		fanout[r.id[0]]++
	}
	var word []byte
	put := func(v uint32) {
		word = binary.BigEndian.AppendUint32(word[:0], v)
		_, _ = w.Write(word)
	}
	total := uint32(0)
	for _, n := range fanout {
		total += n
		put(total)
	}
	for _, r := range x.records {
		_, _ = io.WriteString(w, string(r.id))
	}
	for _, r := range x.records {
		put(r.crc)
	}
	var large []byte
	for _, r := range x.records {
		if r.start < 1<<31 {
			put(uint32(r.start))
			continue
		}
		put(uint32(len(large)/8) | 1<<31)
		large = binary.BigEndian.AppendUint64(large, uint64(r.start))
	}
	_, _ = w.Write(large)
	_, _ = w.Write(sum)
	_, _ = buf.Write(h.Sum(nil))
	if err := buf.Flush(); err != nil {
		return err
	}
	return f.Close()
}
