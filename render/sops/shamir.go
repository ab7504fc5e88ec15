package sops

import (
	"crypto/rand"
	"fmt"
)

// Shamir's secret sharing over the field of AES, byte by byte; the last byte of
// a part is its x coordinate. SOPS shares a data key among key groups this way.

// splitSecret makes parts of which threshold give the secret.
func splitSecret(secret []byte, parts, threshold int) ([][]byte, error) {
	if threshold < 2 || parts < threshold || parts > 255 {
		return nil, fmt.Errorf("%w: %d of %d key groups", ErrUnsupported, threshold, parts)
	}
	out := make([][]byte, parts)
	for i := range out {
		out[i] = make([]byte, len(secret)+1)
		out[i][len(secret)] = byte(i + 1)
	}
	coefficients := make([]byte, threshold)
	for at, b := range secret {
		_, _ = rand.Read(coefficients) // never fails
		coefficients[0] = b
		for i := range out {
			y, x := byte(0), byte(i+1)
			for c := threshold - 1; c >= 0; c-- {
				y = times(y, x) ^ coefficients[c]
			}
			out[i][at] = y
		}
	}
	return out, nil
}

// combineSecret interpolates the parts at zero.
func combineSecret(parts [][]byte) ([]byte, error) {
	size := len(parts[0]) - 1
	seen := map[byte]bool{}
	for _, p := range parts {
		if len(p) != size+1 || size < 1 || seen[p[size]] {
			return nil, fmt.Errorf("%w: parts of the data key do not fit together", ErrFormat)
		}
		seen[p[size]] = true
	}
	out := make([]byte, size)
	for i, part := range parts {
		basis := byte(1)
		for j, other := range parts {
			if i != j {
				basis = times(basis, times(other[size], inverted(part[size]^other[size])))
			}
		}
		for at := range out {
			out[at] ^= times(part[at], basis)
		}
	}
	return out, nil
}

// times multiplies modulo x^8 + x^4 + x^3 + x + 1, in constant time.
func times(a, b byte) byte {
	var product byte
	for i := 7; i >= 0; i-- {
		product = -(product>>7)&0x1b ^ product<<1
		product ^= -(b >> i & 1) & a
	}
	return product
}

// inverted is a to the power of 254.
func inverted(a byte) byte {
	out := byte(1)
	for range 254 {
		out = times(out, a)
	}
	return out
}
