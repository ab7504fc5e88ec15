package scan

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// Store keeps the tags of images in a folder, a file for each image and for what is
// excluded of it: what a process learned, the next one knows. A scan that finds nothing new writes a line
// after a full listing, and else nothing; one that does appends what is new. What
// the machine loses when it crashes is learned again by the next scan. One process
// at a time should use a file; if two do, the one that wrote last is believed.
type Store struct{ dir string }

// OpenStore opens a folder, which is made if it does not exist.
func OpenStore(dir string) (*Store, error) {
	if dir == "" {
		return nil, &Error{Op: "open the store", Err: errors.New("give its folder")}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, &Error{Op: "open the store", Ref: dir, Err: err}
	}
	return &Store{dir: dir}, nil
}

// file returns the file for an image.
func (s *Store) file(id identity) string {
	sum := sha256.Sum256(mustJSON(id))
	readable := strings.Map(func(r rune) rune {
		if r == '/' || r == ':' {
			return '_'
		}
		return r
	}, id.Image)
	return filepath.Join(s.dir, readable[:min(len(readable), 100)]+"-"+hex.EncodeToString(sum[:6])+".tags")
}
