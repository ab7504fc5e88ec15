package oci

import (
	"context"
	"time"

	"github.com/gitopskit/gitopskit/internal/treecache"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/archive"
)

// Options describes an artifact in a registry.
type Options struct {
	// URL is oci://host[:port]/repository. Required.
	URL string
	// Reference is what is wanted of it; the zero value is the tag latest.
	Reference Reference
	// Layer selects the layer and what is made of it.
	Layer Layer
	// Client speaks to the registry. Required.
	Client *Client
	// Cache keeps what was fetched. Required.
	Cache *Cache
	// Verifier must accept the digest before anything of it is used; nil
	// accepts all. A source asks it until it accepts a digest, and then not
	// about that digest again.
	Verifier Verifier
	// Ignore holds patterns in the syntax of .gitignore for files that are
	// left out.
	Ignore string
	// Limits bounds the extraction of a layer.
	Limits archive.Limits
	// MaxLayerBytes is the most that a layer may have, compressed. Zero
	// means 1 GiB.
	MaxLayerBytes int64
}

// Reference says which manifest is wanted: the first field that is set of
// Digest, SemVer, Tag.
type Reference struct {
	// Digest is "sha256:" and 64 hex digits.
	Digest string
	// SemVer is a range; the highest tag in it counts.
	SemVer string
	// SemVerFilter is a regular expression that tags must match.
	SemVerFilter string
	// Tag is a tag. Default "latest".
	Tag string
}

// Operation says what is made of a layer.
type Operation string

const (
	// Extract unpacks the layer, a tar.gz. It is the default.
	Extract Operation = "extract"
	// Copy keeps the layer as the one file layer.tar.gz, or with the ending
	// that Layer.FileName gives.
	Copy Operation = "copy"
)

// Layer selects one layer of a manifest.
type Layer struct {
	// MediaType is the one of the layer that is taken; the first counts.
	// Empty takes the first layer.
	MediaType string
	// Operation is what is made of it; empty means Extract.
	Operation Operation
	// FileName is what Copy calls the file. Default "layer.tar.gz".
	FileName string
}

// Verifier accepts or refuses a manifest by its digest. The error of a refusal
// should wrap source.ErrVerification.
type Verifier interface {
	// Verify returns who signed, for the artifact's metadata.
	Verify(ctx context.Context, client *Client, repository, digest string) (signer string, err error)
}

// MetadataSigner is the key of an artifact's metadata that tells who signed.
const MetadataSigner = "gitopskit.github.io/signer"

// Cache keeps fetched layers in a folder. Many processes may use it.
type Cache struct{ trees *treecache.Cache }

// OpenCache opens the folder dir, which is made if it does not exist.
func OpenCache(dir string) (*Cache, error) {
	if dir == "" {
		return nil, &source.Error{Op: "open OCI cache", Err: invalidf("give the cache's folder")}
	}
	trees, err := treecache.Open(dir)
	if err != nil {
		return nil, &source.Error{Op: "open OCI cache", Ref: dir, Err: err}
	}
	return &Cache{trees: trees}, nil
}

// Sweep removes what was not used for the given time. Artifacts that were
// fetched before that cannot be read any more.
func (c *Cache) Sweep(unused time.Duration) error { return c.trees.Sweep(unused) }
