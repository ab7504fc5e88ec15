package store

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/gitopskit/gitopskit/source"
)

// Record describes a stored artifact.
type Record struct {
	// Path is where the file is, relative to the store and to its HTTP
	// handler: <kind>/<namespace>/<name>/<file>.
	Path string `json:"path"`
	// Revision is the source's.
	Revision source.Revision `json:"revision"`
	// Digest is "sha256:" and 64 hex digits over the file.
	Digest string `json:"digest"`
	// ContentDigest is that of the artifact.
	ContentDigest string `json:"contentDigest"`
	// Size is the file's length in bytes.
	Size int64 `json:"size"`
	// Created is when it was put first, in UTC and whole seconds.
	Created time.Time `json:"created"`
	// Used is when it was put last; its order decides what is newest.
	Used time.Time `json:"used"`
	// Metadata is what the source told beside the content.
	Metadata map[string]string `json:"metadata,omitempty"`
}

func (s *Store) file(r Record) string { return filepath.Join(s.dir, filepath.FromSlash(r.Path)) }

func (s *Store) recordFile(r Record) string {
	return strings.TrimSuffix(s.file(r), archiveExt) + recordExt
}

// List returns the artifacts of a key, the newest first.
func (s *Store) List(k Key) ([]Record, error) {
	if err := k.check(); err != nil {
		return nil, fail("get", k.String(), err)
	}
	records, err := s.list(k)
	if err != nil {
		return nil, fail("get", k.String(), err)
	}
	return records, nil
}

func (s *Store) list(k Key) ([]Record, error) {
	entries, err := os.ReadDir(s.folder(k))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []Record
	for _, e := range entries {
		base, ok := strings.CutSuffix(e.Name(), recordExt)
		if !ok || strings.HasPrefix(e.Name(), tempPrefix) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(s.folder(k), e.Name()))
		if err != nil {
			continue // collected meanwhile
		}
		var r Record
		// A record is for the file beside it, whatever it says.
		if json.Unmarshal(data, &r) != nil || r.Path != path.Join(k.String(), base+archiveExt) {
			continue
		}
		if info, err := os.Stat(s.file(r)); err != nil || info.Size() != r.Size {
			continue
		}
		out = append(out, r)
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Used.After(out[j].Used) })
	return out, nil
}

// Latest returns the newest artifact of a key, or an error that wraps
// ErrNotStored.
func (s *Store) Latest(k Key) (Record, error) {
	records, err := s.List(k)
	if err != nil {
		return Record{}, err
	}
	if len(records) == 0 {
		return Record{}, fail("get", k.String(), ErrNotStored)
	}
	return records[0], nil
}
