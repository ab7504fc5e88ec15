package store

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gitopskit/gitopskit/source"
)

var (
	// ErrFull: the disk or the quota has no room for the artifact.
	ErrFull = source.ErrFull
	// ErrNotStored: there is no such artifact.
	ErrNotStored = fmt.Errorf("artifact %w", source.ErrNotFound)
)

// Error tells which operation failed on which artifact.
type Error struct {
	// Op is "open", "put", "get", "verify", "collect" or "delete".
	Op string
	// Ref is the artifact's key or path.
	Ref string
	// Err is the cause.
	Err error
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("store: %s %s: %v", e.Op, e.Ref, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func fail(op, ref string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		err = fmt.Errorf("%w: %w; make room below the store's folder", ErrFull, err)
	}
	return &Error{Op: op, Ref: ref, Err: err}
}

// Options configures Open. The zero value works.
type Options struct {
	// KeepCount is how many artifacts of each key Collect keeps. Zero means 2.
	KeepCount int
	// KeepAge is how long Collect keeps an artifact whatever the count. Zero
	// means one minute.
	KeepAge time.Duration
	// MaxBytes is the most that all artifacts together may have; Put fails
	// with ErrFull beyond it. Zero means no limit.
	MaxBytes int64
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
}

// Store keeps artifacts below one folder. It is safe for concurrent use. Only
// one process may write to a folder at a time; any number may read.
type Store struct {
	dir  string
	opts Options

	mu   sync.Mutex
	keys map[Key]*sync.Mutex // serialises writers of one key
	used int64
}

// Key names what an artifact was made of.
type Key struct {
	// Kind, Namespace and Name are those of the Kubernetes object, lower
	// case: letters, digits, "-" and ".".
	Kind, Namespace, Name string
}

// String returns kind/namespace/name.
func (k Key) String() string { return path.Join(k.Kind, k.Namespace, k.Name) }

var keyPart = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`)

func (k Key) check() error {
	for _, part := range []string{k.Kind, k.Namespace, k.Name} {
		if !keyPart.MatchString(part) || strings.Contains(part, "..") {
			return fmt.Errorf("%w: %q is no part of a key: use lower-case letters, digits, '-' and '.'", source.ErrInvalid, part)
		}
	}
	return nil
}

// Open opens the folder dir, which is made if it does not exist, and removes
// what a killed process left half-written.
func Open(dir string, opts Options) (*Store, error) {
	if dir == "" {
		return nil, fail("open", "", fmt.Errorf("%w: give the store's folder", source.ErrInvalid))
	}
	if opts.KeepCount == 0 {
		opts.KeepCount = 2
	}
	if opts.KeepAge == 0 {
		opts.KeepAge = time.Minute
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fail("open", dir, err)
	}
	if err := os.MkdirAll(abs, 0o750); err != nil {
		return nil, fail("open", dir, err)
	}
	s := &Store{dir: abs, opts: opts, keys: map[Key]*sync.Mutex{}}
	if err := s.recover(); err != nil {
		return nil, fail("open", dir, err)
	}
	return s, nil
}

const (
	tempPrefix = ".tmp-"
	archiveExt = ".tar.gz"
	recordExt  = ".json"
	latestName = "latest" + archiveExt
)

// recover sweeps temporary files and archives without a record, and counts
// what is there.
func (s *Store) recover() error {
	folders, err := filepath.Glob(filepath.Join(s.dir, "*", "*", "*"))
	if err != nil {
		return err
	}
	for _, folder := range folders {
		entries, err := os.ReadDir(folder)
		if err != nil {
			continue // a stranger's file
		}
		for _, e := range entries {
			if err := s.recoverFile(folder, e); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Store) recoverFile(folder string, e os.DirEntry) error {
	name := filepath.Join(folder, e.Name())
	if strings.HasPrefix(e.Name(), tempPrefix) {
		return os.RemoveAll(name)
	}
	base, ok := strings.CutSuffix(e.Name(), archiveExt)
	if !ok || e.Name() == latestName {
		return nil
	}
	if _, err := os.Stat(filepath.Join(folder, base+recordExt)); errors.Is(err, os.ErrNotExist) {
		return os.Remove(name)
	}
	info, err := e.Info()
	if err == nil {
		s.used += info.Size()
	}
	return nil
}

func (s *Store) folder(k Key) string {
	return filepath.Join(s.dir, k.Kind, k.Namespace, k.Name)
}

// lock serialises writers of one key.
func (s *Store) lock(k Key) func() {
	s.mu.Lock()
	m, ok := s.keys[k]
	if !ok {
		m = &sync.Mutex{}
		s.keys[k] = m
	}
	s.mu.Unlock()
	m.Lock()
	return m.Unlock
}

// reserve counts n more bytes, which may be negative.
func (s *Store) reserve(n int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n > 0 && s.opts.MaxBytes > 0 && s.used+n > s.opts.MaxBytes {
		return fmt.Errorf("%w: %d bytes of %d are used; raise Options.MaxBytes or keep fewer artifacts", ErrFull, s.used, s.opts.MaxBytes)
	}
	s.used += n
	return nil
}
