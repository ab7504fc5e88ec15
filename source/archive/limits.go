package archive

import (
	"errors"
	"io"
)

// Limits bounds what Extract reads. A zero field takes its default; a negative
// one is an error.
type Limits struct {
	// Bytes is the most that may come out of decompression, tar headers
	// counted. Default 1 GiB.
	Bytes int64
	// Entries is the most files, folders and links. Default 200,000.
	Entries int
	// Ratio is the most decompressed bytes for each compressed byte; it is
	// looked at from 16 MiB of output on. Default 200.
	Ratio int64
}

const (
	defaultMaxBytes   = 1 << 30
	defaultMaxEntries = 200_000
	defaultMaxRatio   = 200
	ratioGrace        = 16 << 20
)

func (l Limits) withDefaults() (Limits, error) {
	if l.Bytes < 0 || l.Entries < 0 || l.Ratio < 0 {
		return l, errors.New("Limits has a negative field: zero means the default")
	}
	if l.Bytes == 0 {
		l.Bytes = defaultMaxBytes
	}
	if l.Entries == 0 {
		l.Entries = defaultMaxEntries
	}
	if l.Ratio == 0 {
		l.Ratio = defaultMaxRatio
	}
	return l, nil
}

// countReader counts what is read through it.
type countReader struct {
	r io.Reader
	n int64
}

func (c *countReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// boundReader fails with ErrTooLarge once the decompressed stream exceeds the
// limits.
type boundReader struct {
	r          io.Reader
	compressed *countReader
	limits     Limits
	n          int64
}

func (b *boundReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n += int64(n)
	if b.n > b.limits.Bytes {
		return 0, tooLargef("more than %d bytes when decompressed", b.limits.Bytes)
	}
	if b.n > ratioGrace && b.n/b.limits.Ratio > b.compressed.n {
		return 0, tooLargef("compressed more than %d times", b.limits.Ratio)
	}
	return n, err
}
