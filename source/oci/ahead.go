package oci

import "io"

// aheadReader reads in a goroutine of its own while what was read before is
// worked on: receiving and checking a layer go on beside unpacking it.
type aheadReader struct {
	chunks chan chunk
	free   chan []byte // buffers that were read
	stop   chan struct{}
	ended  chan struct{}
	cur    chunk
	rest   []byte // of cur
}

type chunk struct {
	data []byte
	err  error
}

const (
	aheadChunk = 256 << 10
	aheadDepth = 8
)

func readAhead(r io.Reader) *aheadReader {
	a := &aheadReader{chunks: make(chan chunk, aheadDepth), free: make(chan []byte, aheadDepth), stop: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(a.ended)
		for {
			buf := a.buffer()
			n, err := fill(r, buf)
			select {
			case a.chunks <- chunk{buf[:n], err}:
			case <-a.stop:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return a
}

// buffer returns one that was read, or a new one.
func (a *aheadReader) buffer() []byte {
	select {
	case buf := <-a.free:
		return buf
	default:
		return make([]byte, aheadChunk)
	}
}

// fill reads until buf is full or the reader ends, and returns the reader's own
// error.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}

// Read implements io.Reader.
func (a *aheadReader) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.cur.err != nil {
			return 0, a.cur.err
		}
		if a.cur.data != nil {
			select {
			case a.free <- a.cur.data[:cap(a.cur.data)]:
			default:
			}
		}
		a.cur = <-a.chunks
		a.rest = a.cur.data
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// Close ends the goroutine. The reader below must not block for ever; a layer's
// ends with its context.
func (a *aheadReader) Close() error {
	close(a.stop)
	<-a.ended
	return nil
}
