package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/archive"
)

// ErrEmpty is a repository without any commit. It wraps source.ErrNotFound.
var ErrEmpty = fmt.Errorf("%w: the repository is empty: push a commit", source.ErrNotFound)

// Source is a Git repository at a reference. It is safe for concurrent use.
type Source struct {
	opts     Options
	endpoint endpoint
	mirror   *mirror
	sparse   []string
	log      *slog.Logger

	mu   sync.Mutex
	last built
}

// built is the artifact that was made last and what it was made of.
type built struct {
	key      string
	objects  *objects
	artifact *source.Artifact
}

var _ source.Source = (*Source)(nil)

// New checks the options and returns the source. It makes no request. The
// error wraps source.ErrInvalid.
func New(opts Options) (*Source, error) {
	s, err := newSource(opts)
	if err != nil {
		return nil, &source.Error{Op: "open Git source", Ref: redact(opts.URL), Err: err}
	}
	return s, nil
}

func newSource(opts Options) (*Source, error) {
	e, err := parseURL(opts.URL)
	if err != nil {
		return nil, err
	}
	if opts.Mirrors == nil {
		return nil, invalidf("set Options.Mirrors to the result of OpenMirrors")
	}
	if err := opts.Auth.check(e); err != nil {
		return nil, err
	}
	if err := opts.Reference.check(); err != nil {
		return nil, err
	}
	if err := opts.Verify.check(opts.Reference); err != nil {
		return nil, err
	}
	if err := opts.LFS.check(); err != nil {
		return nil, err
	}
	sparse, err := cleanPaths(opts.SparsePaths)
	if err != nil {
		return nil, err
	}
	if opts.Timeout == 0 {
		opts.Timeout = defaultTimeout
	}
	if opts.MaxFiles == 0 {
		opts.MaxFiles = defaultMaxFiles
	}
	if opts.MaxBytes == 0 {
		opts.MaxBytes = defaultMaxBytes
	}
	log := opts.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	m, err := opts.Mirrors.mirror(e, opts.Auth, opts.Proxy, opts.Transport)
	if err != nil {
		return nil, err
	}
	return &Source{opts: opts, endpoint: e, mirror: m, sparse: sparse, log: log}, nil
}

func cleanPaths(paths []string) ([]string, error) {
	var out []string
	for _, p := range paths {
		clean := strings.TrimPrefix(path.Clean("/"+p), "/")
		if strings.Contains("/"+p+"/", "/../") {
			return nil, invalidf("sparse path %q leaves the repository", p)
		}
		out = append(out, clean)
	}
	return out, nil
}

// redact removes what comes before an @ in the host part of a URL.
func redact(raw string) string {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return raw
	}
	host, tail, _ := strings.Cut(rest, "/")
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		host = host[i+1:]
	}
	return scheme + "://" + host + "/" + tail
}

func (s *Source) timeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.opts.Timeout < 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, s.opts.Timeout,
		fmt.Errorf("%w: no result within %s; raise Options.Timeout if the repository is large", context.DeadlineExceeded, s.opts.Timeout))
}

func (s *Source) fail(op string, revision source.Revision, err error) error {
	ref := s.endpoint.url
	if revision != "" {
		ref += " at " + string(revision)
	}
	return &source.Error{Op: op, Ref: ref, Err: classify(err, s.opts.Auth)}
}

// Resolve implements source.Source: it lists the server's references, or none
// if the reference is a commit.
func (s *Source) Resolve(ctx context.Context) (source.Revision, error) {
	if p, ok := s.opts.Reference.pinned(); ok {
		return p.revision(), nil
	}
	ctx, cancel := s.timeout(ctx)
	defer cancel()
	l, err := s.mirror.lister.get(ctx, s.opts.MaxListingAge)
	if err != nil {
		return "", s.fail("resolve", "", err)
	}
	p, err := s.opts.Reference.pick(ctx, l, s.newest)
	if err != nil {
		return "", s.fail("resolve", "", err)
	}
	return p.revision(), nil
}

// newest fetches the commits of tags with equal versions and returns the one
// with the latest commit; of equal times the name that sorts last.
func (s *Source) newest(ctx context.Context, tags []picked) (picked, error) {
	var best picked
	var when time.Time
	for _, p := range tags {
		o, err := s.mirror.bring(ctx, want{commit: p.commit, ref: p.ref})
		if err != nil {
			return picked{}, err
		}
		c, err := o.commit(p.commit)
		if err != nil {
			return picked{}, err
		}
		if best.commit == "" || !c.committed.Before(when) {
			best, when = p, c.committed
		}
	}
	return best, nil
}

// Fetch implements source.Source. A commit that is in the mirror costs no
// request.
func (s *Source) Fetch(ctx context.Context, revision source.Revision) (*source.Artifact, error) {
	ctx, cancel := s.timeout(ctx)
	defer cancel()
	id, ok := parseOID(revision.Hash())
	if !ok {
		return nil, s.fail("fetch", "", invalidf("%q is no revision of a Git repository", revision))
	}
	w := want{commit: id, ref: s.refOf(revision)}
	if s.opts.Verify.wantsTag() {
		var err error
		if w.tag, err = s.tagObject(ctx, w); err != nil {
			return nil, s.fail("fetch", revision, err)
		}
	}
	a, err := s.fetch(ctx, w, revision)
	if err != nil && damaged(err) && ctx.Err() == nil {
		s.log.Warn("mirror is damaged and made anew", "url", s.endpoint.url, "cause", err)
		w.again = true
		a, err = s.fetch(ctx, w, revision)
	}
	if err != nil {
		return nil, s.fail("fetch", revision, err)
	}
	return a, nil
}

func (s *Source) fetch(ctx context.Context, w want, revision source.Revision) (*source.Artifact, error) {
	o, err := s.mirror.bring(ctx, w)
	if err != nil {
		return nil, err
	}
	metadata, err := s.verify(o, w)
	if err != nil {
		return nil, err
	}
	a, err := s.build(ctx, o, w.commit, revision)
	if err != nil {
		return nil, err
	}
	return a.WithMetadata(metadata), nil
}

// damaged is true for errors that fetching everything again may heal.
func damaged(err error) bool {
	return errors.Is(err, errMissing) || errors.Is(err, source.ErrCorrupt)
}

// refOf is the full name of where a revision was seen.
func (s *Source) refOf(revision source.Revision) string {
	name := revision.Name()
	r := s.opts.Reference
	switch {
	case name == "":
		return ""
	case r.Commit != "":
		return "refs/heads/" + name
	case r.Name != "":
		return strings.TrimSuffix(r.Name, "^{}")
	case r.Tag != "" || r.SemVer != "":
		return "refs/tags/" + name
	}
	return "refs/heads/" + name
}

// build makes the artifact of a commit, or returns the last one if all that
// is selected is the same.
func (s *Source) build(ctx context.Context, o *objects, id oid, revision source.Revision) (*source.Artifact, error) {
	c, err := o.commit(id)
	if err != nil {
		return nil, err
	}
	selected, err := o.selectTrees(c.tree, s.sparse)
	if err != nil {
		return nil, err
	}
	key := ""
	for _, sel := range selected {
		key += sel.path + "\x00" + sel.tree.hex() + "\n"
	}
	s.mu.Lock()
	last := s.last
	s.mu.Unlock()
	if last.key == key && samePacks(last.objects, o) {
		return last.artifact.WithRevision(revision), nil
	}
	a, err := s.assemble(ctx, o, c.tree, selected, revision)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.last = built{key, o, a}
	s.mu.Unlock()
	return a, nil
}

// samePacks is true if the artifact's packs are all still there.
func samePacks(old, now *objects) bool {
	have := map[*pack]bool{}
	for _, p := range now.packs {
		have[p] = true
	}
	for _, p := range old.packs {
		if !have[p] {
			return false
		}
	}
	return true
}

func (s *Source) assemble(ctx context.Context, o *objects, root oid, selected []selection, revision source.Revision) (*source.Artifact, error) {
	w := walker{objects: o, maxFiles: s.opts.MaxFiles, bytesLeft: s.opts.MaxBytes, parts: []part{{endpoint: s.endpoint, auth: s.opts.Auth}}}
	for _, sel := range selected {
		if err := w.walk(ctx, sel.tree, sel.path); err != nil {
			return nil, err
		}
	}
	if s.opts.Submodules {
		if err := s.submodules(ctx, &w, s.endpoint, s.opts.Auth, root, 0); err != nil {
			return nil, err
		}
	}
	open := opener(append([]*objects{o}, w.used...))
	ignore := archive.NewIgnore(archive.IgnoreOptions{Patterns: s.opts.Ignore, NoDefaults: s.opts.NoDefaultIgnore})
	kept, err := ignore.Filter(w.entries, func(p string) ([]byte, error) { return readEntry(ctx, w.entries, p, open) })
	if err == nil && s.opts.LFS != nil {
		kept, open, err = s.smudge(ctx, w.parts, kept, open)
	}
	if err != nil {
		return nil, err
	}
	return source.NewArtifact(source.Contents{
		Revision: revision, Entries: kept, Open: open, Cache: s.mirror.segments(),
	})
}

// opener opens files by the ids that the walker gave them, in the first mirror
// that has them: equal ids are equal bytes.
func opener(places []*objects) archive.OpenFunc {
	return func(_ context.Context, e archive.Entry) (io.ReadCloser, error) {
		_, hexID, _ := strings.Cut(e.ID, ":")
		id, ok := parseOID(hexID)
		if !ok {
			return nil, corruptf("no object id %q", e.ID)
		}
		for _, o := range places {
			if o.has(id) {
				return o.open(id)
			}
		}
		return nil, fmt.Errorf("%w: %s", errMissing, hexID)
	}
}

func readEntry(ctx context.Context, entries []archive.Entry, name string, open archive.OpenFunc) ([]byte, error) {
	for _, e := range entries {
		if e.Path == name {
			r, err := open(ctx, e)
			if err != nil {
				return nil, err
			}
			defer r.Close()
			return io.ReadAll(io.LimitReader(r, 2<<20))
		}
	}
	return nil, errMissing
}
