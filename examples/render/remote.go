package main

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/gitopskit/gitopskit/render/kustomize"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/git"
)

// remotes fetches what kustomizations name by URL, from the hosts that the user
// allows: render and source do not know each other, and this is what joins them.
func remotes(allow []string, mirrors *git.Mirrors) kustomize.Remotes {
	return kustomize.Remotes{Allow: allow, Git: func(ctx context.Context, r kustomize.Repository) (fs.FS, error) {
		var err error
		for _, ref := range references(r.Ref) {
			var artifact *source.Artifact
			if artifact, err = fetch(ctx, r, ref, mirrors); err == nil {
				return artifact.FS(), nil
			}
			if !errors.Is(err, source.ErrNotFound) {
				break
			}
		}
		return nil, err
	}}
}

// references lists what a name may mean, as Git looks for it.
func references(name string) []git.Reference {
	switch {
	case name == "":
		return []git.Reference{{Name: "HEAD"}}
	case isCommit(name):
		return []git.Reference{{Commit: name}}
	case strings.HasPrefix(name, "refs/"):
		return []git.Reference{{Name: name}}
	}
	return []git.Reference{{Name: "refs/tags/" + name}, {Name: "refs/heads/" + name}}
}

func isCommit(name string) bool {
	return (len(name) == 40 || len(name) == 64) && strings.Trim(name, "0123456789abcdef") == ""
}

func fetch(ctx context.Context, r kustomize.Repository, ref git.Reference, mirrors *git.Mirrors) (*source.Artifact, error) {
	repo, err := git.New(git.Options{
		URL: r.URL, Reference: ref, Mirrors: mirrors, Submodules: r.Submodules, Timeout: r.Timeout,
		NoDefaultIgnore: true, MaxListingAge: time.Minute,
	})
	if err != nil {
		return nil, err
	}
	revision, err := repo.Resolve(ctx)
	if err != nil {
		return nil, err
	}
	return repo.Fetch(ctx, revision)
}
