package update

import "context"

// PullRequests opens pull requests, or merge requests, in one repository of a
// forge. The packages github, gitlab and gitea below this one do.
type PullRequests interface {
	// Open opens a pull request, or brings the one that is open from the same
	// branch into the same base up to date.
	Open(ctx context.Context, p PullRequest) (Opened, error)
}

// PullRequest asks to merge a branch.
type PullRequest struct {
	// Branch is merged into Base, a branch of the same repository.
	Branch, Base string
	Title, Body  string
}

// Opened is a pull request that is open.
type Opened struct {
	// Number is what the forge calls it by, and URL where people find it.
	Number int
	URL    string
	// Created says whether it is new.
	Created bool
}
