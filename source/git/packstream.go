package git

import (
	"bufio"
	"compress/zlib"
	"hash"
	"hash/crc32"
	"io"
)

// packStream reads a pack byte by byte where it must, and writes what was
// consumed to the file, the pack's hash and the object's checksum.
type packStream struct {
	in   *bufio.Reader
	out  *bufio.Writer
	hash hash.Hash
	zlib io.ReadCloser
	pos  int64
	crc  uint32
	err  error // of reading or writing
	one  [1]byte
	pend []byte // consumed bytes that were not yet hashed and written
}

func newPackStream(r io.Reader, out io.Writer, h hash.Hash) *packStream {
	return &packStream{in: bufio.NewReaderSize(r, 64<<10), out: bufio.NewWriterSize(out, 256<<10), hash: h, pend: make([]byte, 0, 32<<10)}
}

// Read implements io.Reader.
func (s *packStream) Read(p []byte) (int, error) {
	n, err := s.in.Read(p)
	s.consume(p[:n])
	return n, s.note(err)
}

// ReadByte implements io.ByteReader, which keeps zlib from reading too much.
func (s *packStream) ReadByte() (byte, error) {
	c, err := s.in.ReadByte()
	if err != nil {
		return 0, s.note(err)
	}
	s.one[0] = c
	s.consume(s.one[:])
	return c, s.err
}

func (s *packStream) note(err error) error {
	if err != nil && s.err == nil {
		s.err = err
	}
	return errOr(s.err, err)
}

func (s *packStream) consume(p []byte) {
	s.pos += int64(len(p))
	if len(s.pend)+len(p) > cap(s.pend) {
		s.flush()
	}
	if len(p) > cap(s.pend) {
		s.account(p)
		return
	}
	s.pend = append(s.pend, p...)
}

func (s *packStream) flush() {
	s.account(s.pend)
	s.pend = s.pend[:0]
}

func (s *packStream) account(p []byte) {
	_, _ = s.hash.Write(p)
	s.crc = crc32.Update(s.crc, crc32.IEEETable, p)
	if _, err := s.out.Write(p); err != nil && s.err == nil {
		s.err = err
	}
}

func (s *packStream) sum() []byte {
	s.flush()
	return s.hash.Sum(nil)
}

// finish writes what is left; nothing may follow the pack.
func (s *packStream) finish() error {
	s.flush()
	if err := s.out.Flush(); err != nil {
		return err
	}
	return s.err
}

// inflate returns a reader of the compressed data that comes next.
func (s *packStream) inflate() (io.Reader, error) {
	if s.zlib == nil {
		z, err := zlib.NewReader(s)
		if err != nil {
			return nil, err
		}
		s.zlib = z
		return z, nil
	}
	return s.zlib, s.zlib.(zlib.Resetter).Reset(s, nil)
}
