package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
)

// digester hashes what is written in a goroutine of its own, so that hashing and
// writing go on beside each other.
type digester struct {
	jobs    chan digestJob
	free    chan []byte
	ended   chan struct{}
	digests map[string]string
}

// digestJob is a piece of a file; the last one has the file's name.
type digestJob struct {
	buf  []byte
	n    int
	name string
}

const (
	digestBuffers = 6
	digestBuffer  = 256 << 10
)

func newDigester() *digester {
	d := &digester{
		jobs: make(chan digestJob, digestBuffers), free: make(chan []byte, digestBuffers),
		ended: make(chan struct{}), digests: map[string]string{},
	}
	for range digestBuffers {
		d.free <- nil // made when first used: most archives are small
	}
	go d.run()
	return d
}

func (d *digester) run() {
	defer close(d.ended)
	h := sha256.New()
	for j := range d.jobs {
		h.Write(j.buf[:j.n])
		d.free <- j.buf
		if j.name != "" {
			d.digests[j.name] = "sha256:" + hex.EncodeToString(h.Sum(nil))
			h.Reset()
		}
	}
}

// copy writes a file's content and returns its length. Errors of writing are
// those of w; others are the reader's.
func (d *digester) copy(w io.Writer, r io.Reader, name string) (written int64, err error) {
	for {
		buf := <-d.free
		if buf == nil {
			buf = make([]byte, digestBuffer)
		}
		n, rerr := fill(r, buf)
		if n > 0 {
			m, werr := w.Write(buf[:n])
			written += int64(m)
			err = werr
		}
		job := digestJob{buf: buf, n: n}
		if errors.Is(rerr, io.EOF) {
			job.name = name
		}
		d.jobs <- job
		switch {
		case err != nil:
			return written, err
		case job.name != "":
			return written, nil
		case rerr != nil:
			return written, rerr
		}
	}
}

// fill reads until buf is full or the reader ends, and returns its own error.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}

// close ends the goroutine and returns the digests by name.
func (d *digester) close() map[string]string {
	close(d.jobs)
	<-d.ended
	return d.digests
}
