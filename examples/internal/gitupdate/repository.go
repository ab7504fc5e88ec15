// Package gitupdate makes a source of package git what package update writes
// into.
package gitupdate

import (
	"context"

	"github.com/gitopskit/gitopskit/imagepolicy/update"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/git"
	"github.com/gitopskit/gitopskit/source/git/signature"
)

// Repository commits to the repository of a source.
type Repository struct {
	Source *git.Source
	Branch string // that is checked out
	Author git.Signature
	Signer *signature.Signer // nil leaves commits unsigned
	// Options are sent to the server (git push -o key=value).
	Options map[string]string
}

var _ update.Repository = (*Repository)(nil)

// Push implements update.Repository.
func (r *Repository) Push(ctx context.Context, change update.ChangeFunc, to update.Target) (update.Pushed, error) {
	done, err := r.Source.Push(ctx, func(ctx context.Context, base *source.Artifact) (git.Change, error) {
		commit, err := change(ctx, base.FS())
		if err != nil {
			return git.Change{}, err
		}
		out := git.Change{Message: commit.Message}
		for name, content := range commit.Files {
			out.Edits = append(out.Edits, git.Edit{Path: name, Content: content})
		}
		return out, nil
	}, git.PushOptions{
		Author: r.Author, Signer: r.Signer, Branch: to.Branch, RefSpec: to.RefSpec, Options: r.Options,
		Force: to.Branch != "" && to.Branch != r.Branch,
	})
	return update.Pushed{Revision: string(done.Revision), Changed: done.Changed, Attempts: done.Attempts}, err
}
