package kustomize

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
)

// remotePrefix is wider than the library's own rule for what is fetched, never
// narrower: what does not match is only ever looked up in the tree.
var remotePrefix = regexp.MustCompile(`^(?i)\s*(git::|https?:|[a-z][a-z0-9+.-]*://|github\.com[/:]|[a-z][a-z0-9-]*@)`)

func isRemote(ref string) bool { return remotePrefix.MatchString(ref) }

// mountRemote fetches ref, mounts what came and returns the path, relative to
// dir, that leads to it.
func (s *scanner) mountRemote(ctx context.Context, dir, ref string) (string, error) {
	if s.options.Remote == nil {
		return "", fmt.Errorf("%w: %s; set Options.Remote to allow them", ErrRemote, ref)
	}
	at, ok := s.remotes[ref]
	if !ok {
		fsys, inside, err := s.options.Remote.FetchRemote(ctx, ref)
		if err != nil {
			return "", fmt.Errorf("fetching %s: %w", ref, err)
		}
		root := fmt.Sprintf("%s%d", remoteRoot, len(s.remotes))
		s.tree.mounts[root] = fsys
		at = path.Join(root, path.Clean("/"+inside))
		s.remotes[ref] = at
	}
	return filepath.Rel(dir, at)
}
