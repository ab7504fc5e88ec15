package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/archive"
	"github.com/gitopskit/gitopskit/source/bucket"
	"github.com/gitopskit/gitopskit/source/bucket/s3"
	"github.com/gitopskit/gitopskit/source/git"
	"github.com/gitopskit/gitopskit/source/git/signature"
	"github.com/gitopskit/gitopskit/source/oci"
	"github.com/gitopskit/gitopskit/source/oci/cosign"
)

// clients are what the sources share.
type clients struct {
	mirrors  *git.Mirrors
	oci      *oci.Client
	cache    *oci.Cache
	dir      string
	insecure []string
}

func newClients(dir string) (*clients, error) {
	c := &clients{dir: dir, insecure: strings.Fields(os.Getenv("INSECURE"))}
	var err error
	if c.mirrors, err = git.OpenMirrors(filepath.Join(dir, "git"), git.MirrorOptions{}); err != nil {
		return nil, err
	}
	if c.cache, err = oci.OpenCache(filepath.Join(dir, "oci")); err != nil {
		return nil, err
	}
	c.oci, err = oci.NewClient(oci.ClientOptions{
		Auth:     oci.Auth{Username: os.Getenv("REGISTRY_USER"), Password: os.Getenv("REGISTRY_PASSWORD")},
		Keychain: true,
		Insecure: c.insecure,
	})
	return c, err
}

func (c *clients) close() {
	_ = c.mirrors.Close()
	_ = c.oci.Close()
}

// fetch brings what a SOURCE names.
func (c *clients) fetch(ctx context.Context, name string) (*source.Artifact, error) {
	s, err := c.open(name)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return source.FromFS(os.DirFS(name), "folder", archive.NewIgnore(archive.IgnoreOptions{}))
	}
	revision, err := s.Resolve(ctx)
	if err != nil {
		return nil, err
	}
	return s.Fetch(ctx, revision)
}

// open returns the source for a URL, and nil for a folder.
func (c *clients) open(name string) (source.Source, error) {
	scheme, rest, _ := strings.Cut(name, "://")
	switch scheme {
	case "https", "http", "ssh":
		return git.New(c.gitOptions(name))
	case "oci":
		url, tag := cut(name, ":")
		return oci.New(oci.Options{URL: url, Reference: oci.Reference{Tag: tag}, Client: c.oci, Cache: c.cache})
	case "s3":
		return c.openBucket(rest)
	}
	return nil, nil
}

func (c *clients) openBucket(rest string) (source.Source, error) {
	host, path, _ := strings.Cut(rest, "/")
	name, prefix, _ := strings.Cut(path, "/")
	provider, err := s3.New(s3.Options{
		Endpoint: host, Bucket: name, Insecure: slices.Contains(c.insecure, host),
		AccessKey: os.Getenv("AWS_ACCESS_KEY_ID"), SecretKey: os.Getenv("AWS_SECRET_ACCESS_KEY"),
	})
	if err != nil {
		return nil, err
	}
	return bucket.New(bucket.Options{Provider: provider, Prefix: prefix, Dir: filepath.Join(c.dir, "buckets")})
}

func (c *clients) gitOptions(name string) git.Options {
	url, reference, _ := strings.Cut(name, "#")
	if reference == "" {
		reference = "HEAD"
	}
	o := git.Options{URL: url, Reference: git.Reference{Name: reference}, Mirrors: c.mirrors}
	if !strings.HasPrefix(url, "ssh://") {
		o.Auth = git.Auth{Username: os.Getenv("GIT_USER"), Password: os.Getenv("GIT_PASSWORD")}
		return o
	}
	// What cannot be read is missed, and named, by git.New.
	o.Auth.Identity, _ = os.ReadFile(os.Getenv("GIT_SSH_KEY_FILE"))
	o.Auth.KnownHosts, _ = os.ReadFile(os.Getenv("GIT_KNOWN_HOSTS_FILE"))
	return o
}

func pushOptions(from string) oci.PushOptions {
	if strings.Contains(from, "://") {
		url, _, _ := strings.Cut(from, "#")
		return oci.PushOptions{Source: url}
	}
	return oci.PushOptions{}
}

// verify tells who signed what a SOURCE names.
func (c *clients) verify(ctx context.Context, out io.Writer, name, keyFile string) error {
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return err
	}
	s, err := c.openVerified(name, keyFile, key)
	if err != nil {
		return err
	}
	revision, err := s.Resolve(ctx)
	if err != nil {
		return err
	}
	a, err := s.Fetch(ctx, revision)
	if err != nil {
		return err
	}
	signer := a.Metadata()[git.MetadataCommitSigner]
	if signer == "" {
		signer = a.Metadata()[oci.MetadataSigner]
	}
	fmt.Fprintf(out, "%s is signed by %s\n", revision, signer)
	return nil
}

// openVerified opens a source that fails unless the key signed it: an OCI
// artifact with cosign's key, a commit with an SSH key in a file ending in .pub,
// or a PGP key.
func (c *clients) openVerified(name, keyFile string, key []byte) (source.Source, error) {
	if strings.HasPrefix(name, "oci://") {
		keys, err := cosign.ParseKeys(key)
		if err != nil {
			return nil, err
		}
		verifier, err := cosign.New(cosign.Options{Keys: keys})
		if err != nil {
			return nil, err
		}
		url, tag := cut(name, ":")
		return oci.New(oci.Options{URL: url, Reference: oci.Reference{Tag: tag}, Client: c.oci, Cache: c.cache, Verifier: verifier})
	}
	entry := "key.asc"
	if strings.HasSuffix(keyFile, ".pub") {
		entry = "key.sshpub"
	}
	keys, err := signature.KeyringFromSecret(map[string][]byte{entry: key})
	if err != nil {
		return nil, err
	}
	o := c.gitOptions(name)
	o.Verify = &git.Verify{Keys: keys}
	return git.New(o)
}
