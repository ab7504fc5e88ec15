package helmrepo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"github.com/gitopskit/gitopskit/internal/httpclient"
	"github.com/gitopskit/gitopskit/source"
)

// state is what is kept of an index beside its bytes.
type state struct {
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"lastModified,omitempty"`
	Digest       string `json:"digest"`
	Size         int64  `json:"size"`
}

// Resolve asks whether the index changed and returns its digest as a revision,
// such as "sha256:3b4c…".
func (r *Repository) Resolve(ctx context.Context) (source.Revision, error) {
	ctx, cancel := r.timeout(ctx)
	defer cancel()
	s, err := r.refresh(ctx)
	if err != nil {
		return "", &source.Error{Op: "resolve", Ref: withoutUser(r.opts.URL), Err: err}
	}
	return source.Revision(s.Digest), nil
}

// Versions returns the entries of a chart in the index, in its order.
func (r *Repository) Versions(ctx context.Context, chart string) ([]ChartVersion, error) {
	ctx, cancel := r.timeout(ctx)
	defer cancel()
	all, err := r.versions(ctx, chart)
	if err != nil {
		return nil, &source.Error{Op: "list " + chart, Ref: withoutUser(r.opts.URL), Err: err}
	}
	return all, nil
}

func (r *Repository) versions(ctx context.Context, chart string) ([]ChartVersion, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.refreshLocked(ctx); err != nil {
		return nil, err
	}
	f, err := os.Open(r.index)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ReadIndex(f, chart)
}

func (r *Repository) refresh(ctx context.Context) (state, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refreshLocked(ctx)
}

// refreshLocked brings the index if it changed.
func (r *Repository) refreshLocked(ctx context.Context) (state, error) {
	kept, ok := r.keptState()
	header := http.Header{}
	if ok && kept.ETag != "" {
		header.Set("If-None-Match", kept.ETag)
	}
	if ok && kept.LastModified != "" {
		header.Set("If-Modified-Since", kept.LastModified)
	}
	res, err := r.get(ctx, r.base.JoinPath("index.yaml"), header)
	if err != nil {
		return state{}, err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusNotModified {
		if !ok {
			return state{}, fmt.Errorf("%w: the server answers 304 to a request without condition", source.ErrUnreachable)
		}
		return kept, nil
	}
	return r.keep(ctx, res)
}

// keptState returns the state of the index on disk, if that is whole.
func (r *Repository) keptState() (state, bool) {
	var s state
	data, err := os.ReadFile(r.index + ".json")
	if err != nil || json.Unmarshal(data, &s) != nil {
		return state{}, false
	}
	info, err := os.Stat(r.index)
	return s, err == nil && info.Size() == s.Size
}

// keep writes the index and its state, each at once.
func (r *Repository) keep(ctx context.Context, res *http.Response) (state, error) {
	f, err := os.CreateTemp(filepath.Dir(r.index), ".incoming-")
	if err != nil {
		return state{}, err
	}
	defer func() {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}()
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, h), httpclient.Limit(res.Body, r.opts.MaxIndexBytes))
	if errors.Is(err, httpclient.ErrTooLarge) {
		return state{}, fmt.Errorf("%w: the index has more than %d bytes; set Options.MaxIndexBytes", source.ErrTooLarge, r.opts.MaxIndexBytes)
	}
	if err != nil {
		return state{}, r.classify(ctx, err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return state{}, err
	}
	if _, err := ReadIndex(f, ""); err != nil {
		return state{}, err
	}
	s := state{ETag: res.Header.Get("ETag"), LastModified: res.Header.Get("Last-Modified"), Digest: "sha256:" + hex.EncodeToString(h.Sum(nil)), Size: n}
	data, err := json.Marshal(s)
	if err != nil {
		return state{}, err
	}
	// Without its state the index counts as absent, so a crash in between
	// costs one download.
	if err := os.Remove(r.index + ".json"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return state{}, err
	}
	if err := os.Rename(f.Name(), r.index); err != nil {
		return state{}, err
	}
	temp := f.Name() + ".json"
	if err := os.WriteFile(temp, data, 0o600); err != nil {
		return state{}, err
	}
	return s, os.Rename(temp, r.index+".json")
}
