package git

// varint reads the little-endian base-128 number at the start of b.
func varint(b []byte) (value int64, rest []byte, ok bool) {
	shift := 0
	for i, c := range b {
		if shift > 56 {
			return 0, nil, false
		}
		value |= int64(c&0x7f) << shift
		shift += 7
		if c&0x80 == 0 {
			return value, b[i+1:], true
		}
	}
	return 0, nil, false
}

// applyDelta makes an object from its base (gitformat-pack(5), "Deltified
// representation").
func applyDelta(base, delta []byte) ([]byte, error) {
	baseSize, rest, ok1 := varint(delta)
	if !ok1 {
		return nil, corruptf("delta is cut off")
	}
	size, rest, ok2 := varint(rest)
	if !ok2 || baseSize != int64(len(base)) || size > maxObject {
		return nil, corruptf("delta does not fit its base")
	}
	out := make([]byte, 0, size)
	for len(rest) > 0 {
		op := rest[0]
		rest = rest[1:]
		if op == 0 {
			return nil, corruptf("delta has an unknown instruction")
		}
		if op&0x80 == 0 {
			if int(op) > len(rest) || int64(len(out))+int64(op) > size {
				return nil, corruptf("delta inserts too much")
			}
			out = append(out, rest[:op]...)
			rest = rest[op:]
			continue
		}
		from, n, tail, ok := copyArgs(op, rest)
		if !ok || from+n > len(base) || int64(len(out)+n) > size {
			return nil, corruptf("delta copies what is not there")
		}
		out = append(out, base[from:from+n]...)
		rest = tail
	}
	if int64(len(out)) != size {
		return nil, corruptf("delta makes %d bytes, not %d", len(out), size)
	}
	return out, nil
}

func copyArgs(op byte, b []byte) (from, n int, rest []byte, ok bool) {
	for i := range 7 {
		if op&(1<<i) == 0 {
			continue
		}
		if len(b) == 0 {
			return 0, 0, nil, false
		}
		if i < 4 {
			from |= int(b[0]) << (8 * i)
		} else {
			n |= int(b[0]) << (8 * (i - 4))
		}
		b = b[1:]
	}
	if n == 0 {
		n = 0x10000
	}
	return from, n, b, true
}
