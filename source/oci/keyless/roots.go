package keyless

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/tuf"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/gitopskit/gitopskit/source"
)

// A trusted root from TUF is asked for again after a day, and not used for longer
// than a week where the mirror does not answer.
const (
	refreshAfter = 24 * time.Hour
	staleAfter   = 7 * refreshAfter
)

// roots gives the trusted root: a fixed one, or TUF's latest.
type roots struct {
	fixed *root.TrustedRoot
	opts  tuf.Options

	mu    sync.Mutex
	last  *root.TrustedRoot
	asked time.Time
}

func newRoots(opts Options) (*roots, error) {
	if len(opts.TrustedRoot) > 0 {
		fixed, err := root.NewTrustedRootFromJSON(opts.TrustedRoot)
		if err != nil {
			return nil, fmt.Errorf("Options.TrustedRoot: %w", err)
		}
		return &roots{fixed: fixed}, nil
	}
	if (opts.TUFMirror == "") != (len(opts.TUFRoot) == 0) {
		return nil, errors.New("set both Options.TUFMirror and Options.TUFRoot, or none")
	}
	r := &roots{opts: tuf.Options{
		Root: opts.TUFRoot, RepositoryBaseURL: opts.TUFMirror, CachePath: opts.Dir, DisableLocalCache: opts.Dir == "",
	}}
	if opts.TUFMirror == "" {
		r.opts.Root, r.opts.RepositoryBaseURL = tuf.DefaultRoot(), tuf.DefaultMirror
	}
	return r, nil
}

// get returns the trusted root.
func (r *roots) get(ctx context.Context) (*root.TrustedRoot, error) {
	if r.fixed != nil {
		return r.fixed, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last != nil && time.Since(r.asked) < refreshAfter {
		return r.last, nil
	}
	opts := r.opts
	opts.Fetcher = fetch{ctx}
	fresh, err := root.FetchTrustedRootWithOptions(&opts)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil && (r.last == nil || time.Since(r.asked) > staleAfter) {
		return nil, fmt.Errorf("%w: by TUF from %s: %w", source.ErrUnreachable, opts.RepositoryBaseURL, err)
	}
	if err == nil {
		r.last, r.asked = fresh, time.Now()
	}
	return r.last, nil
}

// fetch is a TUF client's way to the mirror. It lives for one request of the
// trusted root.
type fetch struct {
	ctx context.Context //nolint:containedctx // the interface passes none
}

// DownloadFile implements fetcher.Fetcher.
func (f fetch) DownloadFile(url string, limit int64, timeout time.Duration) ([]byte, error) {
	ctx := f.ctx
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "gitopskit")
	// The connection is not kept: the next request is in a day.
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, &metadata.ErrDownloadHTTP{StatusCode: res.StatusCode, URL: url}
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = &metadata.ErrDownloadLengthMismatch{Msg: fmt.Sprintf("%s has more than %d bytes", url, limit)}
	}
	return data, err
}
