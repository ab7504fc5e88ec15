package source

import "context"

// Source is one place that content comes from: a Git repository at a
// reference, an OCI artifact, a chart, a bucket. Implementations are safe for
// concurrent use.
type Source interface {
	// Resolve asks, as cheaply as the protocol allows, what is there now.
	Resolve(ctx context.Context) (Revision, error)
	// Fetch brings what Resolve named. Content that is already kept costs no
	// request.
	Fetch(ctx context.Context, revision Revision) (*Artifact, error)
}
