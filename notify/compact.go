package notify

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// compactAfter is how many useless lines are borne with.
const compactAfter = 4096

// compact writes a new file with what is of use and puts it in the old one's
// place.
func (j *Journal) compact() error {
	temp, err := os.OpenFile(j.path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // in the folder that the caller names
	if err != nil {
		return err
	}
	lines, err := j.rewrite(temp)
	if err == nil && j.opts.Fsync {
		err = temp.Sync()
	}
	if err = errors.Join(err, temp.Close()); err != nil {
		return errors.Join(err, os.Remove(temp.Name())) //nolint:gosec // our own file
	}
	// Some systems rename over a closed file only.
	err = errors.Join(j.file.Close(), os.Rename(temp.Name(), j.path)) //nolint:gosec // our own files
	f, reopen := os.OpenFile(j.path, os.O_RDWR, 0o600)                //nolint:gosec // our own file
	if reopen == nil {
		_, reopen = f.Seek(0, io.SeekEnd)
	}
	if reopen != nil {
		j.err = fmt.Errorf("journal unusable: %w", reopen)
		return errors.Join(err, reopen)
	}
	j.file, j.lines = f, lines
	return err
}

func (j *Journal) forget(before time.Time) {
	j.recent = slices.DeleteFunc(j.recent, func(k RecentKey) bool { return k.Time.Before(before) })
}

func (j *Journal) rewrite(w io.Writer) (lines int, err error) {
	out := bufio.NewWriterSize(w, 1<<16)
	put := func(l line) {
		if err == nil {
			var text []byte
			if text, err = encodeLine(l); err == nil {
				_, err = out.Write(text)
				lines++
			}
		}
	}
	for _, k := range j.recent {
		put(line{Key: &k})
	}
	for _, f := range j.failing.values() {
		put(line{Fail: &f})
	}
	sending := Sending
	for _, e := range j.sorted() {
		put(line{Put: []Delivery{e.stored.Delivery}})
		if e.stored.Sending {
			put(line{Mark: &sending, IDs: []string{e.stored.ID}})
		}
	}
	return lines, errors.Join(err, out.Flush())
}
