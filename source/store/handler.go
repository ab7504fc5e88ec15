package store

import (
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// Handler serves the stored files by their paths, and latest.tar.gz of each
// key. It answers GET and HEAD, ranges and conditional requests; it lists no
// folders and follows no link but latest.tar.gz.
func (s *Store) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		s.serve(w, r)
	})
}

func (s *Store) serve(w http.ResponseWriter, r *http.Request) {
	rec := Record{Path: strings.TrimPrefix(r.URL.Path, "/")}
	if _, err := keyOf(rec); err != nil {
		http.NotFound(w, r)
		return
	}
	name := s.file(rec)
	latest := filepath.Base(name) == latestName
	if latest {
		target, err := os.Readlink(name)
		if err != nil || filepath.Base(target) != target {
			http.NotFound(w, r)
			return
		}
		name = filepath.Join(filepath.Dir(name), target)
	}
	info, err := os.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		http.NotFound(w, r)
		return
	}
	f, err := os.Open(name) //nolint:gosec // the path was checked
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer f.Close()
	serveFile(w, r, f, info, latest)
}

func serveFile(w http.ResponseWriter, r *http.Request, f *os.File, info fs.FileInfo, latest bool) {
	digest := strings.TrimSuffix(info.Name(), archiveExt)
	h := w.Header()
	h.Set("Content-Type", "application/gzip")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("ETag", `"`+digest+`"`)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	if latest {
		h.Set("Cache-Control", "no-cache")
	}
	http.ServeContent(w, r, "", info.ModTime(), f)
}
