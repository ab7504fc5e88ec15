package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
)

// Collect removes the artifacts of a key beyond Options.KeepCount that are
// older than Options.KeepAge, counted from when they were last put, and returns
// what it removed, also with an error. The newest is never removed.
func (s *Store) Collect(ctx context.Context, k Key) ([]Record, error) {
	if err := k.check(); err != nil {
		return nil, fail("collect", k.String(), err)
	}
	defer s.lock(k)()
	records, err := s.list(k)
	if err != nil {
		return nil, fail("collect", k.String(), err)
	}
	var removed []Record
	oldest := s.opts.Now().Add(-s.opts.KeepAge)
	for i, r := range records {
		if i == 0 || i < s.opts.KeepCount || r.Used.After(oldest) {
			continue
		}
		if ctx.Err() != nil {
			return removed, fail("collect", k.String(), context.Cause(ctx))
		}
		if err := s.remove(r); err != nil {
			return removed, fail("collect", k.String(), err)
		}
		removed = append(removed, r)
	}
	return removed, nil
}

// Delete removes all artifacts of a key: its object is gone.
func (s *Store) Delete(k Key) error {
	if err := k.check(); err != nil {
		return fail("delete", k.String(), err)
	}
	defer s.lock(k)()
	records, err := s.list(k)
	if err != nil {
		return fail("delete", k.String(), err)
	}
	for _, r := range records {
		if err := s.remove(r); err != nil {
			return fail("delete", k.String(), err)
		}
	}
	if err := os.RemoveAll(s.folder(k)); err != nil {
		return fail("delete", k.String(), err)
	}
	return nil
}

// remove removes the file before its record: a record alone does not count,
// and a file alone is swept.
func (s *Store) remove(r Record) error {
	if err := os.Remove(s.file(r)); err == nil {
		_ = s.reserve(-r.Size)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Remove(s.recordFile(r)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
