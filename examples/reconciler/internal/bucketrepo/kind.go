// Package bucketrepo fetches what Bucket objects name.
package bucketrepo

import (
	"context"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/sources"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/bucket"
)

// Kind is Bucket.
type Kind struct {
	client.Client
	Dir string // keeps what was fetched
}

var _ sources.Kind = (*Kind)(nil)

// Name implements sources.Kind.
func (*Kind) Name() string { return sourcev1.BucketKind }

// New implements sources.Kind.
func (*Kind) New() sources.Object { return &api.Bucket{} }

// FailedReason implements sources.Kind.
func (*Kind) FailedReason() string { return sourcev1.BucketOperationFailedReason }

// Fetch implements sources.Kind. Of what is there, only objects that changed
// are fetched again.
func (k *Kind) Fetch(ctx context.Context, o sources.Object, have *source.Artifact) (*source.Artifact, error) {
	b := o.(*api.Bucket)
	provider, err := k.provider(ctx, b)
	if err != nil {
		return nil, err
	}
	opts := bucket.Options{Provider: provider, Prefix: b.Spec.Prefix, Dir: k.Dir}
	if b.Spec.Ignore != nil {
		opts.Ignore = *b.Spec.Ignore
	}
	if b.Spec.Timeout != nil {
		opts.Timeout = b.Spec.Timeout.Duration
	}
	src, err := bucket.New(opts)
	if err != nil {
		return nil, sources.Stalled(sourcev1.InvalidProviderConfigurationReason, err)
	}
	rev, err := src.Resolve(ctx)
	if err != nil {
		return nil, err
	}
	if have != nil && have.Revision() == rev {
		return have, nil
	}
	return src.Fetch(ctx, rev)
}

// Published implements sources.Kind.
func (*Kind) Published(o sources.Object, _ *source.Artifact) {
	b := o.(*api.Bucket)
	b.Status.ObservedIgnore = b.Spec.Ignore
}
