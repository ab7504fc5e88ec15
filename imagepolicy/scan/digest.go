package scan

import (
	"context"

	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Digest asks the registry which manifest a tag names now, such as sha256:…; for
// an image of several platforms it is that of the index.
func (i *Image) Digest(ctx context.Context, tag string) (string, error) {
	ctx, _, cancel := i.session.client.begin(ctx)
	defer cancel()
	digest, err := i.digest(ctx, tag)
	return digest, fail("read the digest of", i.Name()+":"+tag, err)
}

func (i *Image) digest(ctx context.Context, tag string) (string, error) {
	opts, err := i.session.remote(ctx)
	if err != nil {
		return "", err
	}
	ref := i.session.repo.Tag(tag)
	head, err := remote.Head(ref, opts...)
	if err == nil {
		return head.Digest.String(), nil
	}
	// Some registries answer a HEAD without the digest, or not at all.
	got, getErr := remote.Get(ref, opts...)
	if getErr != nil {
		return "", getErr
	}
	return got.Digest.String(), nil
}
