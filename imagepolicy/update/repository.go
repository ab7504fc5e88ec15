package update

import (
	"context"
	"io/fs"
)

// Repository is a Git repository, checked out at one of its branches. What commits
// are made with, such as their author and the key that signs them, is its own
// matter. The example image-update makes one of source/git.
type Repository interface {
	// Push calls change with the files of the branch, all of them, commits what it
	// returns, and pushes that. If somebody else pushed in between, it calls change
	// again with the newer files. It never overwrites what others pushed to the
	// branch that is checked out.
	Push(ctx context.Context, change ChangeFunc, to Target) (Pushed, error)
}

// ChangeFunc computes a commit on top of files. It changes nothing else.
type ChangeFunc func(ctx context.Context, files fs.FS) (Commit, error)

// Commit is what a ChangeFunc wants.
type Commit struct {
	// Files are the new contents by name. None means that there is nothing to
	// commit, and nothing is pushed.
	Files map[string][]byte
	// Message is that of the commit.
	Message string
}

// Target is where a commit goes. The zero value is the branch that is checked out.
type Target struct {
	// Branch is pushed to. One that is not checked out is made anew each time from
	// the one that is.
	Branch string
	// RefSpec is pushed beside or, without a Branch, in place of a branch, such as
	// HEAD:refs/for/main.
	RefSpec string
}

// Pushed is what Push did.
type Pushed struct {
	// Revision is that of the new commit, or of what was there.
	Revision string
	// Changed says whether a commit was pushed.
	Changed bool
	// Attempts counts how often the change was computed.
	Attempts int
}
