package git

import (
	"context"
	"fmt"
	"net/url"
	"path"
	"strings"

	"github.com/go-git/go-git/v5/config"

	"github.com/gitopskit/gitopskit/source"
)

// maxSubmoduleDepth bounds submodules of submodules.
const maxSubmoduleDepth = 8

// submodules brings the commits that the walker met and walks them in its
// place. Credentials go to the same scheme and host only.
func (s *Source) submodules(ctx context.Context, w *walker, parent endpoint, auth Auth, root oid, depth int) error {
	found := w.subs
	w.subs = nil
	if len(found) == 0 {
		return nil
	}
	if depth >= maxSubmoduleDepth {
		return fmt.Errorf("%w: submodules nested deeper than %d", source.ErrTooLarge, maxSubmoduleDepth)
	}
	urls, err := w.objects.submoduleURLs(root)
	if err != nil {
		return err
	}
	for _, sub := range found {
		if err := s.submodule(ctx, w, parent, auth, sub, urls, depth); err != nil {
			return fmt.Errorf("submodule %q: %w", sub.path, err)
		}
	}
	return nil
}

func (s *Source) submodule(ctx context.Context, w *walker, parent endpoint, auth Auth, sub submodule, urls map[string]string, depth int) error {
	raw, ok := urls[strings.TrimPrefix(strings.TrimPrefix(sub.path, w.prefix), "/")]
	if !ok {
		return fmt.Errorf("%w: .gitmodules has no URL for it", source.ErrNotFound)
	}
	e, err := submoduleEndpoint(parent, raw)
	if err != nil {
		return err
	}
	auth, err = s.submoduleAuth(parent, e, auth)
	if err != nil {
		return err
	}
	m, err := s.opts.Mirrors.mirror(e, auth, s.opts.Proxy, s.opts.Transport)
	if err != nil {
		return err
	}
	o, err := m.bring(ctx, want{commit: sub.commit})
	if err != nil {
		return fmt.Errorf("%s: %w", e.url, classify(err, auth))
	}
	c, err := o.commit(sub.commit)
	if err != nil {
		return err
	}
	outer, prefix := w.objects, w.prefix
	w.objects, w.prefix = o, sub.path
	w.used = append(w.used, o)
	w.parts = append(w.parts, part{sub.path, e, auth})
	defer func() { w.objects, w.prefix = outer, prefix }()
	if err := w.walk(ctx, c.tree, sub.path); err != nil {
		return err
	}
	return s.submodules(ctx, w, e, auth, c.tree, depth+1)
}

// submoduleEndpoint resolves "../other.git" against the parent's URL.
func submoduleEndpoint(parent endpoint, raw string) (endpoint, error) {
	if !strings.HasPrefix(raw, "./") && !strings.HasPrefix(raw, "../") {
		return parseURL(raw)
	}
	u, err := url.Parse(parent.url)
	if err != nil {
		return endpoint{}, invalidf("the parent's URL cannot be read")
	}
	u.Path = path.Join(u.Path, raw)
	return parseURL(u.String())
}

// submoduleAuth gives the parent's credentials to the same host, those of
// Options.SubmoduleAuth to the hosts named there, and none to others.
func (s *Source) submoduleAuth(parent, e endpoint, auth Auth) (Auth, error) {
	if own, ok := s.opts.SubmoduleAuth[e.host]; ok {
		return own, own.check(e)
	}
	if e.scheme == parent.scheme && e.host == parent.host {
		return auth, nil
	}
	none := Auth{}
	if err := none.check(e); err != nil {
		return none, fmt.Errorf("%w: it is on another host, which must not see the credentials of %s: add %q to Options.SubmoduleAuth", source.ErrAuth, parent.host, e.host)
	}
	return none, nil
}

// submoduleURLs reads .gitmodules: URLs by path.
func (o *objects) submoduleURLs(root oid) (map[string]string, error) {
	entries, err := o.tree(root)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.name != ".gitmodules" || e.mode&modeMask != modeFile {
			continue
		}
		if size, err := o.size(e.id); err != nil || size > 1<<20 {
			return nil, fmt.Errorf("%w: .gitmodules has %d bytes", source.ErrTooLarge, size)
		}
		data, err := o.read(e.id, typeBlob)
		if err != nil {
			return nil, err
		}
		modules := config.NewModules()
		if err := modules.Unmarshal(data); err != nil {
			return nil, fmt.Errorf("%w: .gitmodules: %w", source.ErrCorrupt, err)
		}
		out := map[string]string{}
		for _, m := range modules.Submodules {
			out[path.Clean(m.Path)] = m.URL
		}
		return out, nil
	}
	return map[string]string{}, nil
}
